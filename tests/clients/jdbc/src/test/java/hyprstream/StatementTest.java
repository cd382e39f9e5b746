package hyprstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Statements: counts, results, batches, errors. */
class StatementTest extends JdbcTest {
  @Test
  void updateCountsAreTrueAndEachStatementRunsOnce() throws SQLException {
    assertEquals(0, update("CREATE TABLE " + table + " (i INTEGER, s VARCHAR)"));
    assertEquals(3, update("INSERT INTO " + table + " VALUES (1, 'a'), (2, 'b'), (3, NULL)"));
    assertEquals(3, count());
    assertEquals(2, update("UPDATE " + table + " SET i = i * 10 WHERE s IS NOT NULL"));
    assertEquals(List.of("3|null", "10|a", "20|b"), rows("SELECT * FROM " + table + " ORDER BY i"));
    assertEquals(1, update("DELETE FROM " + table + " WHERE s IS NULL"));
    assertEquals(0, update("DELETE FROM " + table + " WHERE false"));
    assertEquals(2, count());
    assertEquals(0, update("DROP TABLE " + table));
  }

  @Test
  void executeTellsQueriesFromUpdates() throws SQLException {
    update("CREATE TABLE " + table + " (i INTEGER)");
    try (Statement statement = connection.createStatement()) {
      assertFalse(statement.execute("INSERT INTO " + table + " VALUES (1), (2)"));
      assertEquals(2, statement.getUpdateCount());
      assertFalse(statement.getMoreResults());
      assertEquals(-1, statement.getUpdateCount());
      assertEquals(2, count());
      assertTrue(statement.execute("SELECT * FROM " + table + " ORDER BY i"));
      assertEquals(List.of("1", "2"), rows(statement.getResultSet()));
      assertTrue(statement.execute("INSERT INTO " + table + " VALUES (3) RETURNING i * 2"));
      assertEquals(List.of("6"), rows(statement.getResultSet()));
      assertEquals(3, count());
    }
  }

  @Test
  void resultsAreOpenSideBySide() throws SQLException {
    try (Statement one = connection.createStatement();
        Statement two = connection.createStatement();
        ResultSet first = one.executeQuery("SELECT * FROM range(200000)");
        ResultSet second = two.executeQuery("SELECT -range FROM range(200000)")) {
      long sum = 0;
      while (first.next()) {
        assertTrue(second.next());
        sum += first.getLong(1) - second.getLong(1);
      }
      assertFalse(second.next());
      assertEquals(199_999L * 200_000, sum);
    }
  }

  @Test
  void maxRowsBoundsWhatIsRead() throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.setMaxRows(3);
      assertEquals(3, rows(statement.executeQuery("SELECT * FROM range(100)")).size());
    }
  }

  @Test
  void viewsAnswerLikeTables() throws SQLException {
    update("CREATE TABLE " + table + " (ts TIMESTAMP, amount DOUBLE) WITH (time = 'ts')");
    update("CREATE MATERIALIZED VIEW " + table + "_5m AS SELECT time_bucket(INTERVAL '5 minutes', ts) AS w, count(*) AS n,"
        + " sum(amount) AS total FROM " + table + " GROUP BY ALL");
    assertEquals(2, update("INSERT INTO " + table + " VALUES ('2026-01-01 00:01:00', 1.5), ('2026-01-01 00:04:00', 2)"));
    assertEquals(List.of("2|3.5"), rows("SELECT n, total FROM " + table + "_5m"));
  }

  /** The driver's Statement.executeBatch() has no answer (ArrowFlightMetaImpl.prepareAndExecuteBatch) and sends nothing. */
  @Test
  void batchesOfTextsAreNotSent() throws SQLException {
    update("CREATE TABLE " + table + " (i INTEGER)");
    try (Statement statement = connection.createStatement()) {
      statement.addBatch("INSERT INTO " + table + " VALUES (1)");
      assertTrue(failure(statement::executeBatch).length() > 0);
    }
    assertEquals(0, count());
  }

  @Test
  void aPreparedQueryRunsAgainAfterItsTableChanged() throws SQLException {
    update("CREATE TABLE " + table + " AS SELECT 1 AS i");
    try (PreparedStatement prepared = connection.prepareStatement("SELECT * FROM " + table)) {
      assertEquals(List.of("1"), rows(prepared.executeQuery()));
      update("ALTER TABLE " + table + " ADD COLUMN s VARCHAR DEFAULT 'new'");
      try (ResultSet result = prepared.executeQuery()) {
        assertTrue(result.next());
        assertEquals("1 new", result.getInt(1) + " " + result.getString("s"));
      }
    }
  }

  @Test
  void errorsSayWhatIsWrong() throws SQLException {
    assertTrue(failure(() -> rows("SELEKT 1")).contains("SELEKT"));
    String unknown = failure(() -> rows("SELECT * FROM no_such_table"));
    assertTrue(unknown.contains("no_such_table"), unknown);
    update("CREATE TABLE " + table + " (i INTEGER NOT NULL)");
    String constraint = failure(() -> update("INSERT INTO " + table + " VALUES (NULL)"));
    assertTrue(constraint.contains("NOT NULL"), constraint);
    String conversion = failure(() -> update("INSERT INTO " + table + " VALUES ('abc')"));
    assertTrue(conversion.contains("abc"), conversion);
    String stream = failure(() -> rows(
        "SELECT CASE WHEN range = 2500000 THEN error('row ' || range || ' is bad') ELSE 'good' END FROM range(3000000)"));
    assertTrue(stream.contains("row 2500000 is bad"), stream);
    String several = failure(() -> rows("SELECT 1; SELECT 2"));
    assertTrue(several.contains("One statement per call"), several);
    assertEquals(0, count());
  }
}
