package hyprstream;

import static org.junit.jupiter.api.Assertions.assertThrows;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.function.Executable;

/** A connection for each test, a table name that no other test uses, and answers as text. */
abstract class JdbcTest {
  private static final AtomicInteger NAMES = new AtomicInteger();

  protected Connection connection;
  protected final String table = "t" + NAMES.incrementAndGet();

  @BeforeEach
  void connect() throws SQLException {
    connection = Server.shared().connect();
  }

  @AfterEach
  void close() throws SQLException {
    connection.close();
  }

  protected long update(String sql) throws SQLException {
    return update(connection, sql);
  }

  protected static long update(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      return statement.executeLargeUpdate(sql);
    }
  }

  /** Rows as `1|a|null`. */
  protected List<String> rows(String sql) throws SQLException {
    return rows(connection, sql);
  }

  protected static List<String> rows(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      return rows(statement.executeQuery(sql));
    }
  }

  protected static List<String> rows(ResultSet result) throws SQLException {
    List<String> rows = new ArrayList<>();
    int columns = result.getMetaData().getColumnCount();
    while (result.next()) {
      List<String> values = new ArrayList<>();
      for (int column = 1; column <= columns; ++column) {
        values.add(String.valueOf(result.getObject(column)));
      }
      rows.add(String.join("|", values));
    }
    result.close();
    return rows;
  }

  /** One column of a metadata result, found by its name. */
  protected static List<String> column(ResultSet result, String name) throws SQLException {
    List<String> values = new ArrayList<>();
    while (result.next()) {
      values.add(result.getString(name));
    }
    result.close();
    return values;
  }

  protected long count() throws SQLException {
    return Long.parseLong(rows("SELECT count(*) FROM " + table).get(0));
  }

  /** What the user reads when the call fails: every message from the exception to its last cause. */
  protected static String failure(Executable call) {
    StringBuilder text = new StringBuilder();
    for (Throwable error = assertThrows(Exception.class, call); error != null; error = error.getCause()) {
      text.append(error.getMessage()).append('\n');
    }
    return text.toString();
  }
}
