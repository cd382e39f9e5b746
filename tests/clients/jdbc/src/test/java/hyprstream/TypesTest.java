package hyprstream;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Date;
import java.sql.JDBCType;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Calendar;
import java.util.List;
import java.util.TimeZone;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Values of every SQL type through getObject, the getters and ResultSetMetaData. */
class TypesTest extends JdbcTest {
  private interface Check {
    void on(ResultSet result) throws SQLException;
  }

  private void first(String sql, Check check) throws SQLException {
    try (Statement statement = connection.createStatement(); ResultSet result = statement.executeQuery(sql)) {
      assertTrue(result.next());
      check.on(result);
    }
  }

  @ParameterizedTest
  @CsvSource(delimiter = ';', value = {
      "true; java.lang.Boolean; true",
      "(-128)::TINYINT; java.lang.Byte; -128",
      "127::TINYINT; java.lang.Byte; 127",
      "(-32768)::SMALLINT; java.lang.Short; -32768",
      "2147483647; java.lang.Integer; 2147483647",
      "(-2147483648)::INTEGER; java.lang.Integer; -2147483648",
      "9223372036854775807; java.lang.Long; 9223372036854775807",
      "(-9223372036854775808)::BIGINT; java.lang.Long; -9223372036854775808",
      "sum(1::BIGINT); java.math.BigDecimal; 1",
      "170141183460469231731::HUGEINT; java.math.BigDecimal; 170141183460469231731",
      "170141183460469231731::UHUGEINT; java.math.BigDecimal; 170141183460469231731",
      "-2.25::DOUBLE; java.lang.Double; -2.25",
      "'nan'::DOUBLE; java.lang.Double; NaN",
      "'-infinity'::DOUBLE; java.lang.Double; -Infinity",
      "12345.6789::DECIMAL(18,4); java.math.BigDecimal; 12345.6789",
      "'-99999999999999999999999999999999.999999'::DECIMAL(38,6); java.math.BigDecimal;"
          + " -99999999999999999999999999999999.999999",
      "chr(71) || 'rüße 🦆'; java.lang.String; Grüße 🦆",
      "'good'::ENUM('bad', 'good'); java.lang.String; good",
      "'8b4a5a2e-6b5c-4c7d-9e8f-0a1b2c3d4e5f'::UUID; java.lang.String; 8b4a5a2e-6b5c-4c7d-9e8f-0a1b2c3d4e5f",
      "'{\"a\": 1}'::JSON; java.lang.String; {\"a\": 1}",
      "'0101'::BIT; java.lang.String; 0101",
      "'12:34:56+02'::TIMETZ; java.lang.String; 12:34:56+02",
      "DATE '2026-02-28'; java.sql.Date; 2026-02-28",
      "DATE '0001-01-01'; java.sql.Date; 0001-01-01",
      "DATE '9999-12-31'; java.sql.Date; 9999-12-31",
      "TIMESTAMP '2026-02-28 12:34:56.789012'; java.sql.Timestamp; 2026-02-28 12:34:56.789012",
      "TIMESTAMP '0001-01-01 00:00:00'; java.sql.Timestamp; 0001-01-01 00:00:00.0",
      "TIMESTAMP_S '2026-02-28 12:34:56'; java.sql.Timestamp; 2026-02-28 12:34:56.0",
      "TIMESTAMP_MS '2026-02-28 12:34:56.789'; java.sql.Timestamp; 2026-02-28 12:34:56.789",
      "TIMESTAMP_NS '2026-02-28 12:34:56.789012345'; java.sql.Timestamp; 2026-02-28 12:34:56.789012345",
  })
  void scalarsAreTheirJavaTypes(String sql, String type, String text) throws SQLException {
    first("SELECT " + sql + " AS v", result -> {
      Object value = result.getObject(1);
      assertEquals(type + " " + text, value.getClass().getName() + " " + value);
      assertFalse(result.wasNull());
      assertEquals(value.toString(), result.getString(1));
    });
  }

  /** Unsigned numbers are read as the signed type of the same width: by the driver, whose accessors know no other. */
  @ParameterizedTest
  @CsvSource(delimiter = ';', value = {
      "127::UTINYINT; java.lang.Byte; 127",
      "255::UTINYINT; java.lang.Byte; -1",
      "65535::USMALLINT; java.lang.Short; -1",
      "4294967295::UINTEGER; java.lang.Integer; -1",
      "18446744073709551615::UBIGINT; java.lang.Long; -1",
      "1.5::FLOAT; java.lang.Double; 1.5",
      "INTERVAL '1 month 2 days 3 seconds'; org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.vector.PeriodDuration; P1M2D PT3S",
      "TIME '12:34:56'; org.apache.arrow.driver.jdbc.ArrowFlightJdbcTime; 12:34:56",
  })
  void whatTheDriverMakesOfOtherTypes(String sql, String type, String text) throws SQLException {
    first("SELECT " + sql + " AS v", result -> {
      Object value = result.getObject(1);
      assertEquals(type + " " + text, value.getClass().getName() + " " + value);
    });
  }

  /** Where the driver loses an unsigned value, SQL can widen it. */
  @Test
  void unsignedMaximaWidenedBySql() throws SQLException {
    first("SELECT 255::UTINYINT::INTEGER AS a, 4294967295::UINTEGER::BIGINT AS b, 18446744073709551615::UBIGINT::HUGEINT AS c",
        result -> {
      assertEquals(255, result.getInt("a"));
      assertEquals(4_294_967_295L, result.getLong("b"));
      assertEquals(new BigDecimal("18446744073709551615"), result.getBigDecimal("c"));
    });
  }

  @ParameterizedTest
  @ValueSource(strings = {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
      "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL(18,4)", "VARCHAR", "BLOB", "BIT", "UUID", "JSON", "ENUM('a', 'b')", "DATE", "TIME",
      "TIMETZ", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "INTERVAL", "INTEGER[]", "INTEGER[2]",
      "STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)", "INTEGER[][]"})
  void aNullOfEveryType(String type) throws SQLException {
    first("SELECT NULL::" + type + " AS v", result -> {
      assertNull(result.getString(1));
      assertTrue(result.wasNull());
      assertNull(result.getObject(1));
      assertTrue(result.wasNull());
    });
  }

  /** The driver adds a Statement's columns to those that it had from preparing it, and drops them at the first row. */
  @Test
  void anEmptyResultShowsItsColumnsTwiceUnlessPrepared() throws SQLException {
    String sql = "SELECT 'x' AS text, 1 AS one WHERE false";
    try (Statement statement = connection.createStatement(); ResultSet result = statement.executeQuery(sql)) {
      assertEquals(4, result.getMetaData().getColumnCount());
      assertFalse(result.next());
    }
    try (PreparedStatement statement = connection.prepareStatement(sql); ResultSet result = statement.executeQuery()) {
      assertEquals(2, result.getMetaData().getColumnCount());
      assertEquals("one", result.getMetaData().getColumnName(2));
      assertEquals(Types.INTEGER, result.getMetaData().getColumnType(2));
      assertFalse(result.next());
      assertEquals(2, result.getMetaData().getColumnCount());
    }
  }

  @Test
  void gettersConvert() throws SQLException {
    first("SELECT 65::TINYINT AS i, 2.75::DECIMAL(9,2) AS d, '17' AS s, true AS b, NULL::INTEGER AS nothing", result -> {
      assertEquals(65, result.getByte("i"));
      assertEquals(65, result.getShort("i"));
      assertEquals(65, result.getInt("i"));
      assertEquals(65L, result.getLong("i"));
      assertEquals(65f, result.getFloat("i"));
      assertEquals(65d, result.getDouble("i"));
      assertEquals("65", result.getString("i"));
      assertTrue(result.getBoolean("i"));
      assertEquals(new BigDecimal("2.75"), result.getBigDecimal("d"));
      assertEquals(2.75, result.getDouble("d"));
      assertEquals(2, result.getInt("d"));
      assertEquals(17, result.getInt("s"));
      assertTrue(result.getBoolean("b"));
      assertEquals(1, result.getInt("b"));
      assertEquals(0, result.getInt("nothing"));
      assertTrue(result.wasNull());
    });
  }

  @Test
  void bytesAndDates() throws SQLException {
    first("SELECT '\\x00\\xFF\\x10'::BLOB AS x, DATE '1969-12-31' AS d, TIME '23:59:59' AS t,"
        + " TIMESTAMP '1969-12-31 23:59:59.5' AS ts", result -> {
      assertArrayEquals(new byte[] {0, -1, 16}, result.getBytes("x"));
      assertArrayEquals(new byte[] {0, -1, 16}, (byte[]) result.getObject("x"));
      assertEquals(Date.valueOf("1969-12-31"), result.getDate("d"));
      assertEquals(LocalDate.of(1969, 12, 31), result.getDate("d").toLocalDate());
      assertEquals(Time.valueOf("23:59:59"), result.getTime("t"));
      assertEquals(Timestamp.valueOf("1969-12-31 23:59:59.5"), result.getTimestamp("ts"));
      assertEquals(LocalDateTime.of(1969, 12, 31, 23, 59, 59, 500_000_000), result.getTimestamp("ts").toLocalDateTime());
    });
  }

  /** getObject(int) of the driver does not know the type (AvaticaSite.get has no TIMESTAMP_WITH_TIMEZONE), getObject(name) does. */
  @Test
  void aTimestampWithTimeZoneIsItsInstant() throws SQLException {
    first("SELECT TIMESTAMPTZ '2026-07-01 12:00:00+02' AS at, NULL::TIMESTAMPTZ AS never", result -> {
      Calendar utc = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
      assertEquals(1_782_900_000_000L, result.getTimestamp("at", utc).getTime());
      assertEquals("2026-07-01 10:00:00.0", result.getString("at"));
      assertNull(result.getString("never"));
      assertTrue(result.wasNull());
      assertEquals(Timestamp.class, result.getObject("at").getClass());
      assertEquals("not implemented", assertThrows(RuntimeException.class, () -> result.getObject(1)).getMessage());
    });
  }

  @Test
  void listsAreArrays() throws SQLException {
    first("SELECT [1, 2, NULL] AS l, [[1], [2, 3]] AS nested, [1.5, 2.5]::DOUBLE[2] AS fixed, ['a', 'b'] AS s, []::INTEGER[] AS e",
        result -> {
      Array list = result.getArray("l");
      assertEquals(Arrays.asList(1, 2, null), Arrays.asList((Object[]) list.getArray()));
      assertEquals("[[1],[2,3]]", result.getString("nested"));
      assertEquals(List.of(1.5, 2.5), Arrays.asList((Object[]) result.getArray("fixed").getArray()));
      assertEquals("[\"a\",\"b\"]", result.getString("s"));
      assertEquals(0, ((Object[]) result.getArray("e").getArray()).length);
    });
  }

  @Test
  void structsMapsAndUnionsAreReadable() throws SQLException {
    first("SELECT {'a': 1, 'b': 'x'} AS s, MAP {'k': 7} AS m, INTERVAL '1 month 2 days' AS v, union_value(i := 5) AS u", result -> {
      assertNotNull(result.getObject("s"));
      assertEquals("{\"a\":1,\"b\":\"x\"}", result.getString("s"));
      assertTrue(result.getString("m").contains("\"k\""), result.getString("m"));
      assertNotNull(result.getObject("v"));
      assertEquals("5", result.getString("u"));
    });
  }

  /** Precision and scale are those of decimals; nullability the driver never asks for and calls NOT NULL. */
  @Test
  void resultSetMetaDataDescribesTheColumns() throws SQLException {
    update("CREATE TABLE " + table + " (i INTEGER NOT NULL, d DECIMAL(12, 3), s VARCHAR, ts TIMESTAMP, l INTEGER[], b BOOLEAN,"
        + " n DOUBLE, u UUID, h HUGEINT, x BLOB, dt DATE, t TIME, tz TIMESTAMPTZ, st STRUCT(a INTEGER), g BIGINT)");
    try (PreparedStatement statement = connection.prepareStatement("SELECT *, i AS \"one two\" FROM " + table);
        ResultSet result = statement.executeQuery()) {
      ResultSetMetaData meta = result.getMetaData();
      List<String> columns = new ArrayList<>();
      for (int i = 1; i <= meta.getColumnCount(); ++i) {
        columns.add(meta.getColumnName(i) + " " + meta.getColumnLabel(i) + " " + meta.getColumnTypeName(i) + " "
            + meta.getPrecision(i) + " " + meta.getScale(i));
        assertEquals(JDBCType.valueOf(meta.getColumnTypeName(i)).getVendorTypeNumber(), meta.getColumnType(i));
      }
      assertEquals(List.of("i i INTEGER 0 0", "d d DECIMAL 12 3", "s s VARCHAR 0 0", "ts ts TIMESTAMP 0 0", "l l ARRAY 0 0",
          "b b BOOLEAN 0 0", "n n DOUBLE 0 0", "u u VARCHAR 0 0", "h h DECIMAL 38 0", "x x VARBINARY 0 0", "dt dt DATE 0 0",
          "t t TIME 0 0", "tz tz TIMESTAMP_WITH_TIMEZONE 0 0", "st st JAVA_OBJECT 0 0", "g g BIGINT 0 0",
          "one two one two INTEGER 0 0"), columns);
    }
  }
}
