package hyprstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Transactions as users of this driver run them: its commit() and rollback() are empty, so BEGIN and COMMIT go as SQL. */
class TransactionTest extends JdbcTest {
  private Connection other;

  @BeforeEach
  void makeTable() throws SQLException {
    other = Server.shared().connect();
    update("CREATE TABLE " + table + " (i INTEGER)");
  }

  private List<String> seenByOthers() throws SQLException {
    return rows(other, "SELECT i FROM " + table + " ORDER BY i");
  }

  @Test
  void commitAsSqlKeeps() throws SQLException {
    assertEquals(0, update("BEGIN"));
    assertEquals(1, update("INSERT INTO " + table + " VALUES (1)"));
    try (var prepared = connection.prepareStatement("INSERT INTO " + table + " VALUES (?)")) {
      prepared.setInt(1, 2);
      assertEquals(1, prepared.executeUpdate());
    }
    assertEquals(2, count());
    assertEquals(List.of(), seenByOthers());
    assertEquals(0, update("COMMIT"));
    assertEquals(List.of("1", "2"), seenByOthers());
    other.close();
  }

  @Test
  void rollbackAsSqlDrops() throws SQLException {
    update("BEGIN TRANSACTION");
    update("INSERT INTO " + table + " VALUES (1)");
    update("ROLLBACK");
    assertEquals(0, count());
    update("INSERT INTO " + table + " VALUES (2)");
    assertEquals(List.of("2"), seenByOthers());
    other.close();
  }

  @Test
  void uncommittedWorkVanishesAtClose() throws SQLException {
    Connection leaving = Server.shared().connect();
    update(leaving, "BEGIN");
    assertEquals(1, update(leaving, "INSERT INTO " + table + " VALUES (1)"));
    leaving.close();
    assertEquals(List.of(), seenByOthers());
    update("INSERT INTO " + table + " VALUES (2)");
    assertEquals(List.of("2"), seenByOthers());
    other.close();
  }

  @Test
  void batchesReturningAndMetadataBelongToTheTransaction() throws SQLException {
    update("BEGIN");
    update("CREATE TABLE inner_" + table + " (j INTEGER)");
    try (var batch = connection.prepareStatement("INSERT INTO inner_" + table + " VALUES (?)")) {
      for (int i = 0; i < 3; ++i) {
        batch.setInt(1, i);
        batch.addBatch();
      }
      batch.executeBatch();
    }
    assertEquals(List.of("7"), rows("INSERT INTO " + table + " VALUES (7) RETURNING i"));
    assertEquals(List.of("3"), rows("SELECT count(*) FROM inner_" + table));
    var names = connection.getMetaData().getTables(null, null, "inner_" + table, null);
    assertEquals(List.of("inner_" + table), column(names, "TABLE_NAME"));
    assertEquals(List.of(), column(other.getMetaData().getTables(null, null, "inner_" + table, null), "TABLE_NAME"));
    update("ROLLBACK");
    assertEquals(List.of(), seenByOthers());
    assertTrue(failure(() -> rows("SELECT * FROM inner_" + table)).contains("inner_" + table));
    other.close();
  }

  @Test
  void aConflictIsReported() throws SQLException {
    update("INSERT INTO " + table + " VALUES (1)");
    update("BEGIN");
    update("UPDATE " + table + " SET i = 10");
    update(other, "BEGIN");
    String conflict = failure(() -> update(other, "UPDATE " + table + " SET i = 20"));
    assertTrue(conflict.toLowerCase().contains("conflict"), conflict);
    update("COMMIT");
    update(other, "ROLLBACK");
    assertEquals(List.of("10"), seenByOthers());
    other.close();
  }

  @Test
  void strayCommitsSaySo() throws SQLException {
    assertTrue(failure(() -> update("COMMIT")).contains("No transaction is open"));
    update("BEGIN");
    assertTrue(failure(() -> update("BEGIN")).contains("A transaction is open already"));
    update("ROLLBACK");
    other.close();
  }

  /** The driver sends nothing for these: every statement stands for itself, and the user has to know. */
  @Test
  void autoCommitOffCommitAndRollbackOfTheDriverDoNothing() throws SQLException {
    connection.setAutoCommit(false);
    update("INSERT INTO " + table + " VALUES (1)");
    assertEquals(List.of("1"), seenByOthers());
    connection.rollback();
    connection.commit();
    assertEquals(1, count());
    other.close();
  }
}
