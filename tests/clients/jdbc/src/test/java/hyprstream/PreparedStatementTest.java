package hyprstream;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.net.MalformedURLException;
import java.net.URI;
import java.sql.Connection;
import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Calendar;
import java.util.List;
import java.util.TimeZone;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Prepared statements: every setter, NULLs, many executions, batches. */
class PreparedStatementTest extends JdbcTest {
  private interface Setter {
    void on(PreparedStatement statement) throws SQLException, MalformedURLException;
  }

  /** The value that comes back from a column of this type after it was inserted as a parameter. */
  private String roundTrip(String type, Setter setter) throws SQLException, MalformedURLException {
    update("CREATE OR REPLACE TABLE " + table + " (v " + type + ")");
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?)")) {
      setter.on(insert);
      assertEquals(1, insert.executeUpdate());
    }
    assertEquals(1, count());
    return rows("SELECT v::VARCHAR FROM " + table).get(0);
  }

  @Test
  void everySetter() throws Exception {
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
  void datesAndTimes() throws Exception {
    assertEquals("2026-02-28", roundTrip("DATE", s -> s.setDate(1, Date.valueOf("2026-02-28"))));
    assertEquals("12:34:56", roundTrip("TIME", s -> s.setTime(1, Time.valueOf("12:34:56"))));
    Timestamp at = Timestamp.valueOf("2026-02-28 12:34:56.789");
    for (String type : List.of("TIMESTAMP", "TIMESTAMP_MS", "TIMESTAMP_NS")) {
      assertEquals("2026-02-28 12:34:56.789", roundTrip(type, s -> s.setTimestamp(1, at)));
    }
    assertEquals("2026-02-28 12:34:56", roundTrip("TIMESTAMP_S", s -> s.setTimestamp(1, Timestamp.valueOf("2026-02-28 12:34:56"))));
    assertEquals("1969-12-31 23:59:59.999", roundTrip("TIMESTAMP", s -> s.setTimestamp(1, Timestamp.valueOf("1969-12-31 23:59:59.999"))));
    assertEquals("['2026-02-28 12:34:56.789']", roundTrip("TIMESTAMP[]",
        s -> s.setArray(1, connection.createArrayOf("TIMESTAMP", new Object[] {at}))));
  }

  /** The calendar says in which zone the instant is a date or a time of day. */
  @Test
  void datesAndTimesWithACalendar() throws Exception {
    Calendar tokyo = Calendar.getInstance(TimeZone.getTimeZone("Asia/Tokyo"));
    long instant = 1_772_282_096_000L;  // 2026-02-28 12:34:56 UTC
    assertEquals("2026-02-28 21:34:56", roundTrip("TIMESTAMP", s -> s.setTimestamp(1, new Timestamp(instant), tokyo)));
    assertEquals("21:34:56", roundTrip("TIME", s -> s.setTime(1, new Time(instant), tokyo)));
    assertEquals("2026-03-01", roundTrip("DATE", s -> s.setDate(1, new Date(instant + 6 * 3_600_000), tokyo)));
    Calendar utc = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
    assertEquals("2026-02-28 12:34:56+00", roundTrip("TIMESTAMPTZ", s -> s.setTimestamp(1, new Timestamp(instant), utc)));
  }

  /** The driver has milliseconds only. */
  @Test
  void microsecondsAreLost() throws Exception {
    assertEquals("2026-02-28 12:34:56.789",
        roundTrip("TIMESTAMP", s -> s.setTimestamp(1, Timestamp.valueOf("2026-02-28 12:34:56.789012"))));
    assertEquals("2026-02-28 12:34:56.789012", roundTrip("VARCHAR", s -> s.setString(1, "2026-02-28 12:34:56.789012")));
  }

  @Test
  void setObjectWithATypeConverts() throws Exception {
    assertEquals("42", roundTrip("INTEGER", s -> s.setObject(1, "42", Types.INTEGER)));
    assertEquals("42", roundTrip("VARCHAR", s -> s.setObject(1, "42", Types.VARCHAR)));
    assertEquals("42", roundTrip("BIGINT", s -> s.setObject(1, 42, Types.BIGINT)));
    assertEquals("1.5", roundTrip("DOUBLE", s -> s.setObject(1, "1.5", Types.DOUBLE)));
    assertEquals("2.50", roundTrip("DECIMAL(9,2)", s -> s.setObject(1, "2.50", Types.DECIMAL)));
    assertEquals("true", roundTrip("BOOLEAN", s -> s.setObject(1, true, Types.BOOLEAN)));
    assertEquals("2026-02-28", roundTrip("DATE", s -> s.setObject(1, "2026-02-28", Types.DATE)));
    assertEquals("2026-02-28 12:34:56", roundTrip("TIMESTAMP", s -> s.setObject(1, Timestamp.valueOf("2026-02-28 12:34:56"))));
    assertEquals("12:34:56", roundTrip("TIME", s -> s.setObject(1, Time.valueOf("12:34:56"))));
    assertEquals("x", roundTrip("VARCHAR", s -> s.setNString(1, "x")));
  }

  /** The driver binds a BigDecimal only in the scale of the column, and loses the parameters' memory when it does not. */
  @Test
  void aDecimalOfAnotherScaleIsRefusedByTheDriver() throws Exception {
    assertEquals("2.50", roundTrip("DECIMAL(9,2)", s -> s.setBigDecimal(1, new BigDecimal("2.5").setScale(2))));
    Connection leaking = Server.shared().connect();
    try (PreparedStatement insert = leaking.prepareStatement("INSERT INTO " + table + " VALUES (?)")) {
      insert.setBigDecimal(1, new BigDecimal("2.5"));
      String text = failure(insert::executeUpdate);
      assertTrue(text.contains("BigDecimal scale must equal that in the Arrow vector: 1 != 2"), text);
    }
    assertTrue(failure(leaking::close).contains("leaked"));
    assertEquals(1, count());
  }

  /** Methods that are empty in the driver (AvaticaSite) leave the parameter unset; the execution then fails in the driver. */
  @Test
  void settersThatAreEmptyInTheDriver() throws Exception {
    List<Setter> setters = List.of(s -> s.setNull(1, Types.VARCHAR, "VARCHAR"), s -> s.setObject(1, "x", Types.VARCHAR, 0),
        s -> s.setCharacterStream(1, new StringReader("x")), s -> s.setCharacterStream(1, new StringReader("x"), 1),
        s -> s.setBinaryStream(1, new ByteArrayInputStream(new byte[1])), s -> s.setAsciiStream(1, new ByteArrayInputStream(new byte[1])),
        s -> s.setClob(1, new StringReader("x")), s -> s.setBlob(1, new ByteArrayInputStream(new byte[1])),
        s -> s.setURL(1, URI.create("file:/x").toURL()), s -> s.setNClob(1, new StringReader("x")));
    for (Setter setter : setters) {
      String text = failure(() -> roundTrip("VARCHAR", setter));
      assertTrue(text.contains("\"typedValue\" is null"), text);
      assertEquals(0, count());
    }
  }

  /**
   * What nothing types is declared as text, and the driver refuses to bind a number to it (Utf8AvaticaParameterConverter
   * casts to String): a cast in SQL, or the number as text where text will do.
   */
  @Test
  void aNumberNeedsATypedParameter() throws SQLException {
    update("CREATE TABLE " + table + " AS SELECT 1 AS i, 2.5::DOUBLE AS d");
    for (String sql : List.of("SELECT ? AS v", "UPDATE " + table + " SET i = i + ?")) {
      try (PreparedStatement statement = connection.prepareStatement(sql)) {
        statement.setInt(1, 41);
        String text = failure(statement::execute);
        assertTrue(text.contains("Binding value of type INTEGER is not yet supported for expected Arrow type Utf8"), text);
      }
    }
    try (PreparedStatement change =
        connection.prepareStatement("UPDATE " + table + " SET i = i + ?::INTEGER, d = d / ?::DOUBLE WHERE i = ?")) {
      change.setInt(1, 41);
      change.setDouble(2, 0.5);
      change.setInt(3, 1);
      assertEquals(1, change.executeUpdate());
    }
    assertEquals(List.of("42|5.0"), rows("SELECT * FROM " + table));
  }

  @Test
  void returningGivesRowsAndRunsOnce() throws SQLException {
    update("CREATE TABLE " + table + " (i INTEGER)");
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?) RETURNING i * 2 AS twice")) {
      for (int i = 1; i <= 3; ++i) {
        insert.setInt(1, i);
        assertEquals(List.of(String.valueOf(2 * i)), rows(insert.executeQuery()));
        assertEquals(i, count());
      }
    }
  }

  @Test
  void executeUpdateRunsOnceEachTime() throws SQLException {
    update("CREATE TABLE " + table + " (i INTEGER)");
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?)")) {
      assertEquals(0, count());
      for (int i = 0; i < 3; ++i) {
        insert.setInt(1, i);
        assertEquals(1, insert.executeUpdate());
        assertEquals(i + 1, count());
      }
    }
    try (PreparedStatement change = connection.prepareStatement("UPDATE " + table + " SET i = ?::INTEGER + 10 WHERE i < ?")) {
      change.setInt(1, 0);
      change.setInt(2, 2);
      assertEquals(2, change.executeLargeUpdate());
    }
    try (PreparedStatement delete = connection.prepareStatement("DELETE FROM " + table + " WHERE i >= ?")) {
      delete.setInt(1, 10);
      assertEquals(2, delete.executeUpdate());
      assertEquals(2, delete.getUpdateCount());
    }
    assertEquals(List.of("2"), rows("SELECT * FROM " + table));
  }

  @Test
  void textFitsTypesThatTheDriverDoesNotKnow() throws Exception {
    assertEquals("8b4a5a2e-6b5c-4c7d-9e8f-0a1b2c3d4e5f",
        roundTrip("UUID", s -> s.setString(1, "8b4a5a2e-6b5c-4c7d-9e8f-0a1b2c3d4e5f")));
    assertEquals("good", roundTrip("ENUM('bad', 'good')", s -> s.setString(1, "good")));
    assertEquals("{\"a\": 1}", roundTrip("JSON", s -> s.setString(1, "{\"a\": 1}")));
  }

  @Test
  void setObjectTakesWhatTheColumnIs() throws Exception {
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
  void setNullStoresNull(String type) throws Exception {
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
      assertArrayEquals(new int[] {100}, insert.executeBatch());  // the driver gives one count for the whole batch
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
