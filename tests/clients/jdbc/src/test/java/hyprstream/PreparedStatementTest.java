package hyprstream;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Arrays;
import java.util.Calendar;
import java.util.List;
import java.util.TimeZone;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Prepared statements: every setter, NULLs, many executions, batches. */
class PreparedStatementTest extends JdbcTest {
  private interface Setter {
    void on(PreparedStatement statement) throws SQLException;
  }

  /** The value that comes back from a column of this type after it was inserted as a parameter. */
  private String roundTrip(String type, Setter setter) throws SQLException {
    update("CREATE OR REPLACE TABLE " + table + " (v " + type + ")");
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?)")) {
      setter.on(insert);
      assertEquals(1, insert.executeUpdate());
    }
    assertEquals(1, count());
    return rows("SELECT v::VARCHAR FROM " + table).get(0);
  }

  @Test
  void everySetter() throws SQLException {
    assertEquals("true", roundTrip("BOOLEAN", s -> s.setBoolean(1, true)));
    assertEquals("-7", roundTrip("TINYINT", s -> s.setByte(1, (byte) -7)));
    assertEquals("-700", roundTrip("SMALLINT", s -> s.setShort(1, (short) -700)));
    assertEquals("70000", roundTrip("INTEGER", s -> s.setInt(1, 70_000)));
    assertEquals("9223372036854775807", roundTrip("BIGINT", s -> s.setLong(1, Long.MAX_VALUE)));
    assertEquals("1.5", roundTrip("FLOAT", s -> s.setFloat(1, 1.5f)));
    assertEquals("-2.25", roundTrip("DOUBLE", s -> s.setDouble(1, -2.25)));
    assertEquals("12345.6789", roundTrip("DECIMAL(18,4)", s -> s.setBigDecimal(1, new BigDecimal("12345.6789"))));
    assertEquals("Grüße 🦆", roundTrip("VARCHAR", s -> s.setString(1, "Grüße 🦆")));
    assertEquals("", roundTrip("VARCHAR", s -> s.setString(1, "")));
    assertEquals("\\x00\\xFF", roundTrip("BLOB", s -> s.setBytes(1, new byte[] {0, -1})));
    assertEquals("200", roundTrip("UTINYINT", s -> s.setShort(1, (short) 200)));
    assertEquals("60000", roundTrip("USMALLINT", s -> s.setInt(1, 60_000)));
    assertEquals("4000000000", roundTrip("UINTEGER", s -> s.setLong(1, 4_000_000_000L)));
    assertEquals("5000000000", roundTrip("UBIGINT", s -> s.setLong(1, 5_000_000_000L)));
    assertEquals("17", roundTrip("HUGEINT", s -> s.setBigDecimal(1, new BigDecimal("17"))));
  }

  @Test
  void textFitsTypesThatTheDriverDoesNotKnow() throws SQLException {
    assertEquals("8b4a5a2e-6b5c-4c7d-9e8f-0a1b2c3d4e5f",
        roundTrip("UUID", s -> s.setString(1, "8b4a5a2e-6b5c-4c7d-9e8f-0a1b2c3d4e5f")));
    assertEquals("good", roundTrip("ENUM('bad', 'good')", s -> s.setString(1, "good")));
    assertEquals("{\"a\": 1}", roundTrip("JSON", s -> s.setString(1, "{\"a\": 1}")));
  }

  @Test
  void setObjectTakesWhatTheColumnIs() throws SQLException {
    assertEquals("70000", roundTrip("INTEGER", s -> s.setObject(1, 70_000)));
    assertEquals("70000", roundTrip("BIGINT", s -> s.setObject(1, 70_000L)));
    assertEquals("2.5", roundTrip("DOUBLE", s -> s.setObject(1, 2.5)));
    assertEquals("x", roundTrip("VARCHAR", s -> s.setObject(1, "x")));
    assertEquals("true", roundTrip("BOOLEAN", s -> s.setObject(1, true)));
    assertEquals("2.50", roundTrip("DECIMAL(9,2)", s -> s.setObject(1, new BigDecimal("2.50"))));
    assertEquals("2026-02-28", roundTrip("DATE", s -> s.setObject(1, Date.valueOf("2026-02-28"))));
    assertEquals("[1, 2]", roundTrip("INTEGER[]",
        s -> s.setArray(1, connection.createArrayOf("INTEGER", new Object[] {1, 2}))));
  }

  @ParameterizedTest
  @ValueSource(strings = {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL(18,4)",
      "HUGEINT", "VARCHAR", "BLOB", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "UUID", "JSON", "ENUM('a', 'b')", "INTEGER[]",
      "INTERVAL"})
  void setNullStoresNull(String type) throws SQLException {
    assertEquals("null", roundTrip(type, s -> s.setNull(1, Types.NULL)));
    assertEquals("null", roundTrip(type, s -> s.setNull(1, Types.VARCHAR)));
    assertEquals("null", roundTrip(type, s -> s.setObject(1, null)));
  }

  @Test
  void queriesWithParameters() throws SQLException {
    update("CREATE TABLE " + table + " AS SELECT range::INTEGER AS i, 'n' || range AS s FROM range(10)");
    try (PreparedStatement query =
        connection.prepareStatement("SELECT s FROM " + table + " WHERE i > ? AND s <> ? ORDER BY i LIMIT ?")) {
      assertEquals(3, query.getParameterMetaData().getParameterCount());
      query.setInt(1, 4);
      query.setString(2, "n6");
      query.setLong(3, 2);
      assertEquals(List.of("n5", "n7"), rows(query.executeQuery()));
      query.setInt(1, 7);
      assertEquals(List.of("n8", "n9"), rows(query.executeQuery()));
      query.clearParameters();
      query.setInt(1, 8);
      query.setString(2, "none");
      query.setLong(3, 9);
      assertEquals(List.of("n9"), rows(query.executeQuery()));
    }
  }

  /** A parameter whose type nothing says is text: the driver binds what the server declares. */
  @Test
  void anUntypedParameterIsText() throws SQLException {
    try (PreparedStatement query = connection.prepareStatement("SELECT ? AS v")) {
      query.setString(1, "text");
      assertEquals(List.of("text"), rows(query.executeQuery()));
      query.setNull(1, Types.VARCHAR);
      assertEquals(List.of("null"), rows(query.executeQuery()));
    }
    try (PreparedStatement query = connection.prepareStatement("SELECT ?::INTEGER + 1 AS v")) {
      query.setInt(1, 41);
      assertEquals(List.of("42"), rows(query.executeQuery()));
    }
  }

  @Test
  void aParameterNeverSetIsAnError() throws SQLException {
    try (PreparedStatement query = connection.prepareStatement("SELECT ?::INTEGER + 1 AS v")) {
      assertTrue(failure(query::executeQuery).length() > 0);
    }
  }

  @Test
  void aBatchRunsEachRowOnce() throws SQLException {
    update("CREATE TABLE " + table + " (i INTEGER, s VARCHAR)");
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?, ?)")) {
      for (int i = 0; i < 100; ++i) {
        insert.setInt(1, i);
        if (i % 10 == 0) {
          insert.setNull(2, Types.VARCHAR);
        } else {
          insert.setString(2, "row " + i);
        }
        insert.addBatch();
      }
      long[] counts = Arrays.stream(insert.executeBatch()).asLongStream().toArray();
      assertEquals(100, Arrays.stream(counts).sum());
      assertEquals(List.of("100|90|4950"), rows("SELECT count(*), count(s), sum(i)::INTEGER FROM " + table));
      insert.setInt(1, 100);
      insert.setString(2, "last");
      insert.addBatch();
      assertArrayEquals(new int[] {1}, insert.executeBatch());
    }
    assertEquals(101, count());
  }

  @Test
  void aBatchWithABadRowLeavesNothing() throws SQLException {
    update("CREATE TABLE " + table + " (i INTEGER CHECK (i < 5))");
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?)")) {
      for (int i = 0; i < 10; ++i) {
        insert.setInt(1, i);
        insert.addBatch();
      }
      String text = failure(insert::executeBatch);
      assertTrue(text.contains("CHECK"), text);
    }
    assertEquals(0, count());
  }

  @Test
  void preparingChangesNothing() throws SQLException {
    update("CREATE TABLE " + table + " (i INTEGER)");
    connection.prepareStatement("INSERT INTO " + table + " VALUES (1)").close();
    connection.prepareStatement("DROP TABLE " + table).close();
    assertEquals(0, count());
  }
}
