package hyprstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Whatever the driver tells of a caller who has lost interest ends the work, in DuckDB too. */
class CancelTest extends JdbcTest {
  private Connection watcher;
  private final String mark = "mark_" + table;
  // Each would run for an hour; the first has no row before its end, the second has rows at once.
  private final String silent = "SELECT count(*) AS " + mark + " FROM range(1000000) a, range(1000000) b WHERE hash(a.range, b.range) = 0";
  private final String endless = "SELECT a.range AS " + mark + " FROM range(1000000) a, range(1000000) b";

  @BeforeEach
  void connectWatcher() throws SQLException {
    watcher = Server.shared().connect();
  }

  @AfterEach
  void closeWatcher() throws SQLException {
    watcher.close();
  }

  /** States of this test's statements, as the server sees them. */
  private String states() {
    try {
      return String.join(",", rows(watcher, "SELECT DISTINCT state FROM hyprstream.queries WHERE text LIKE '%" + mark
          + "%' AND text NOT LIKE '%hyprstream.queries%' ORDER BY ALL"));
    } catch (SQLException error) {
      throw new IllegalStateException(error);
    }
  }

  private void expect(String state) {
    assertTrue(Server.eventually(() -> states().equals(state)), () -> "wanted " + state + ", is " + states());
  }

  /** Runs what takes long in a thread of its own, `stop` once it runs in the server, and returns what the first then reads. */
  private String stopped(Executable runs, Executable stop) throws Throwable {
    CompletableFuture<String> failure = CompletableFuture.supplyAsync(() -> failure(runs));
    expect("running");
    stop.execute();
    expect("cancelled");
    return failure.get();
  }

  @Test
  void cancelStopsAQueryWithoutRowsYet() throws Throwable {
    try (Statement statement = connection.createStatement()) {
      stopped(() -> statement.executeQuery(silent), statement::cancel);
    }
    assertEquals(List.of("1"), rows("SELECT 1"));
  }

  @Test
  void cancelStopsAPreparedQuery() throws Throwable {
    try (PreparedStatement statement = connection.prepareStatement(silent)) {
      stopped(statement::executeQuery, statement::cancel);
    }
    assertEquals(List.of("1"), rows("SELECT 1"));
  }

  @Test
  void cancelStopsAResultInTheMiddle() throws Throwable {
    try (Statement statement = connection.createStatement()) {
      ResultSet result = statement.executeQuery(endless);
      assertTrue(result.next());
      expect("running");
      statement.cancel();
      expect("cancelled");
    }
  }

  @Test
  void closingAResultStopsIt() throws Throwable {
    try (Statement statement = connection.createStatement()) {
      try (ResultSet result = statement.executeQuery(endless)) {
        assertTrue(result.next());
      }
      expect("cancelled");
    }
  }

  @Test
  void theNextQueryOfAStatementStopsItsLast() throws Throwable {
    try (Statement statement = connection.createStatement()) {
      assertTrue(statement.executeQuery(endless).next());
      assertEquals(List.of("1"), rows(statement.executeQuery("SELECT 1")));
      expect("cancelled");
    }
  }

  /** The driver gives up after the time, but tells the server no earlier than the statement is closed. */
  @Test
  void aTimeOutStopsTheQueryWhenItsStatementIsClosed() throws Throwable {
    try (Statement statement = connection.createStatement()) {
      statement.setQueryTimeout(1);
      String text = failure(() -> statement.executeQuery(silent));
      assertTrue(text.contains("timed out"), text);
      assertEquals("running", states());
    }
    expect("cancelled");
    assertEquals(List.of("1"), rows("SELECT 1"));
  }

  /** Connection.close() of this driver shuts its channel, waits for results that nobody reads, and tells the server nothing. */
  @Test
  void anAbandonedResultStopsWithItsStatement() throws Throwable {
    Connection leaving = Server.shared().connect();
    Statement statement = leaving.createStatement();
    assertTrue(statement.executeQuery(endless).next());
    String text = failure(leaving::close);
    assertTrue(text.contains("leaked"), text);
    assertEquals("running", states());
    try {
      statement.close();
    } catch (SQLException driver) {  // a batch that arrived after the connection had closed its allocator
      assertTrue(driver.getCause().getMessage().contains("allocator is closed"), driver.toString());
    }
    expect("cancelled");
  }

  /** The driver's cancel() knows only results; of an update it tells nobody. */
  @Test
  void closingAStatementStopsItsUpdateAndCancelDoesNot() throws Throwable {
    update("CREATE TABLE " + table + " (i BIGINT)");
    Statement statement = connection.createStatement();
    stopped(() -> statement.executeLargeUpdate("INSERT INTO " + table + " " + silent), () -> {
      statement.cancel();
      assertEquals("running", states());
      statement.close();
    });
    assertEquals(0, count());
  }

  /** A statement that returns rows runs before the driver has a result that it could cancel. */
  @Test
  void anInterruptStopsWhatRunsBeforeItsRows() throws Throwable {
    update("CREATE TABLE " + table + " (i BIGINT)");
    CompletableFuture<Thread> thread = new CompletableFuture<>();
    stopped(() -> {
      thread.complete(Thread.currentThread());
      rows("INSERT INTO " + table + " " + silent + " RETURNING i");
    }, () -> thread.get().interrupt());
    assertEquals(0, count());
  }

  @Test
  void anInterruptStopsAQueryInsideATransaction() throws Throwable {
    update("BEGIN");
    CompletableFuture<Thread> thread = new CompletableFuture<>();
    stopped(() -> {
      thread.complete(Thread.currentThread());
      rows(silent);
    }, () -> thread.get().interrupt());
  }
}
