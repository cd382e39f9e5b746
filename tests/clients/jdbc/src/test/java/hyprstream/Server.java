package hyprstream;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** The real server, as a child process on a free loopback port. */
final class Server implements AutoCloseable {
  private static final long BOUND_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final Server SHARED = start(Map.of());

  private final Process process;
  private final String address;

  private Server(Process process, String address) {
    this.process = process;
    this.address = address;
  }

  /** One server for all tests that need nothing special; they take table names of their own. */
  static Server shared() {
    return SHARED;
  }

  /** Starts $HYPRSTREAM_BINARY `serve --port 0` with variables of its own and these arguments. */
  static Server start(Map<String, String> environment, String... arguments) {
    try {
      Path folder = Files.createTempDirectory("hyprstream-test-");
      Path ready = folder.resolve("ready");
      List<String> command =
          new ArrayList<>(List.of(System.getenv("HYPRSTREAM_BINARY"), "serve", "--port", "0", "--ready-file", ready.toString()));
      command.addAll(List.of(arguments));
      ProcessBuilder builder = new ProcessBuilder(command);
      builder.environment().keySet().removeIf(name -> name.startsWith("HYPRSTREAM_"));
      builder.environment().putAll(environment);
      builder.redirectErrorStream(true).redirectOutput(folder.resolve("log").toFile());
      Process process = builder.start();
      Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
      if (!eventually(() -> Files.exists(ready) || !process.isAlive()) || !process.isAlive()) {
        throw new IllegalStateException("The server did not start: " + Files.readString(folder.resolve("log")));
      }
      return new Server(process, Files.readString(ready).strip());
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** A connection, and so a session, of its own. `properties` are more of the URL's: `&user=ada`. */
  Connection connect(String... properties) throws SQLException {
    return DriverManager.getConnection(
        "jdbc:arrow-flight-sql://" + address + "/?useEncryption=false" + String.join("", properties));
  }

  /** True as soon as the condition holds; false when it did not within the bound. */
  static boolean eventually(BooleanSupplier condition) {
    long deadline = System.nanoTime() + BOUND_NANOS;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        return false;
      }
      Thread.onSpinWait();
    }
    return true;
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(30, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }
}
