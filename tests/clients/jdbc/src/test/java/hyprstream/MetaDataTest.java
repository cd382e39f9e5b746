package hyprstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** DatabaseMetaData, as tools that browse a database ask for it. */
class MetaDataTest extends JdbcTest {
  private DatabaseMetaData meta;

  @BeforeEach
  void askForMetaData() throws SQLException {
    meta = connection.getMetaData();
  }

  @Test
  void namesProductAndVersions() throws SQLException {
    assertEquals("Hyprstream", meta.getDatabaseProductName());
    assertTrue(meta.getDatabaseProductVersion().matches("\\d+\\.\\d+\\.\\d+.*"), meta.getDatabaseProductVersion());
    assertNotNull(meta.getDriverName());
    assertFalse(meta.isReadOnly());
    assertEquals("\"", meta.getIdentifierQuoteString());
    assertEquals("schema", meta.getSchemaTerm());
    assertEquals("\\", meta.getSearchStringEscape());
    assertTrue(meta.getSQLKeywords().contains("QUALIFY"));
    assertTrue(meta.getNumericFunctions().contains("ABS"));
  }

  /** Tools call them all at start-up: none may fail, whatever it answers. */
  @Test
  void everyCallWithoutArgumentsAnswers() throws Exception {
    List<String> failures = new ArrayList<>();
    Stream<Method> calls = Stream.of(DatabaseMetaData.class.getMethods())
        .filter(method -> method.getParameterCount() == 0)
        .sorted(Comparator.comparing(Method::getName));
    for (Method call : calls.toList()) {
      try {
        if (call.invoke(meta) instanceof ResultSet result) {
          while (result.next()) {
            result.getObject(1);
          }
          result.close();
        }
      } catch (InvocationTargetException error) {
        failures.add(call.getName() + ": " + error.getCause());
      }
    }
    assertEquals(List.of(), failures);
  }

  @Test
  void limitsAndFeaturesAreTrue() throws SQLException {
    assertEquals(0, meta.getMaxConnections());
    assertEquals(0, meta.getMaxColumnNameLength());
    assertEquals(0, meta.getMaxStatementLength());
    assertEquals(0, meta.getMaxRowSize());
    assertTrue(meta.supportsTransactions());
    assertTrue(meta.supportsBatchUpdates());
    assertFalse(meta.supportsSavepoints());
    assertFalse(meta.supportsStoredProcedures());
    assertTrue(meta.supportsGroupBy());
    assertTrue(meta.supportsUnionAll());
    assertTrue(meta.supportsCorrelatedSubqueries());
    assertTrue(meta.supportsConvert());
    assertTrue(meta.supportsConvert(Types.INTEGER, Types.VARCHAR));
    assertTrue(meta.supportsResultSetType(ResultSet.TYPE_FORWARD_ONLY));
  }

  @Test
  void catalogsAndSchemas() throws SQLException {
    update("CREATE SCHEMA sch_" + table);
    List<String> catalogs = column(meta.getCatalogs(), "TABLE_CAT");
    assertEquals(List.of(connection.getCatalog() == null ? catalogs.get(0) : connection.getCatalog()), catalogs);
    List<String> schemas = column(meta.getSchemas(), "TABLE_SCHEM");
    assertTrue(schemas.containsAll(List.of("main", "hyprstream", "sch_" + table)), schemas.toString());
    assertFalse(schemas.contains("__hyprstream"));
    assertEquals(List.of("sch_" + table), column(meta.getSchemas(catalogs.get(0), "sch\\_" + table), "TABLE_SCHEM"));
    assertEquals(List.of(), column(meta.getSchemas("elsewhere", null), "TABLE_SCHEM"));
    update("DROP SCHEMA sch_" + table);
  }

  private List<String> tables(String schema, String name, String... types) throws SQLException {
    List<String> found = new ArrayList<>();
    try (ResultSet result = meta.getTables(null, schema, name, types.length == 0 ? null : types)) {
      while (result.next()) {
        found.add(result.getString("TABLE_NAME") + " " + result.getString("TABLE_TYPE"));
      }
    }
    return found;
  }

  @Test
  void tablesByTypeAndPattern() throws SQLException {
    update("CREATE TABLE " + table + "_a (ts TIMESTAMP, i INTEGER) WITH (time = 'ts')");
    update("CREATE VIEW " + table + "_b AS SELECT 1 AS i");
    update("CREATE MATERIALIZED VIEW " + table + "_c AS SELECT count(*) AS n FROM " + table + "_a");
    update("CREATE TABLE \"" + table + "x'quote\"\"s and. dots\" (i INTEGER)");
    assertEquals(List.of(table + "_c MATERIALIZED VIEW", table + "_a TABLE", table + "_b VIEW"),
        tables("main", table + "\\__"));
    assertEquals(List.of(table + "_a TABLE"), tables(null, table + "_a", "TABLE"));
    assertEquals(List.of(table + "_b VIEW"), tables("ma%", table + "\\__", "VIEW"));
    assertEquals(List.of(table + "_c MATERIALIZED VIEW", table + "_a TABLE"),
        tables("main", table + "\\__", "TABLE", "MATERIALIZED VIEW"));
    assertEquals(List.of(table + "x'quote\"s and. dots TABLE"), tables("main", table + "x'quote\"s%"));
    assertEquals(List.of(), tables("main", table));
    assertEquals(List.of("MATERIALIZED VIEW", "TABLE", "VIEW"), column(meta.getTableTypes(), "TABLE_TYPE"));
    update("DROP VIEW " + table + "_b");
  }

  @Test
  void columnsWithTypesAndNullability() throws SQLException {
    update("CREATE TABLE " + table + " (i INTEGER NOT NULL, d DECIMAL(12, 3), s VARCHAR, ts TIMESTAMP, u UUID,"
        + " m ENUM('a', 'b'), h HUGEINT)");
    List<String> columns = new ArrayList<>();
    try (ResultSet result = meta.getColumns(null, "main", table, "%")) {
      while (result.next()) {
        columns.add(result.getInt("ORDINAL_POSITION") + " " + result.getString("COLUMN_NAME") + " "
            + result.getInt("DATA_TYPE") + " " + result.getString("IS_NULLABLE"));
      }
    }
    assertEquals(List.of("1 i " + Types.INTEGER + " NO", "2 d " + Types.DECIMAL + " YES", "3 s " + Types.VARCHAR + " YES",
        "4 ts " + Types.TIMESTAMP + " YES", "5 u " + Types.VARCHAR + " YES", "6 m " + Types.VARCHAR + " YES",
        "7 h " + Types.DECIMAL + " YES"), columns);
    try (ResultSet result = meta.getColumns(null, "main", table, "d")) {
      assertTrue(result.next());
      assertEquals(12, result.getInt("COLUMN_SIZE"));
      assertEquals(3, result.getInt("DECIMAL_DIGITS"));
      assertFalse(result.next());
    }
  }

  @Test
  void aBrokenViewHidesNothing() throws SQLException {
    update("CREATE TABLE " + table + "_base (i INTEGER)");
    update("CREATE VIEW " + table + "_broken AS SELECT i FROM " + table + "_base");
    update("DROP TABLE " + table + "_base");
    update("CREATE TABLE " + table + "_good (i INTEGER)");
    assertEquals(List.of("i"), column(meta.getColumns(null, null, table + "_good", null), "COLUMN_NAME"));
    assertTrue(column(meta.getColumns(null, null, table + "%", null), "TABLE_NAME").contains(table + "_good"));
    update("DROP VIEW " + table + "_broken");
  }

  @Test
  void keys() throws SQLException {
    update("CREATE TABLE " + table + "_p (a INTEGER, b INTEGER, PRIMARY KEY (a, b))");
    update("CREATE TABLE " + table + "_c (x INTEGER, y INTEGER, FOREIGN KEY (x, y) REFERENCES " + table + "_p (a, b))");
    assertEquals(List.of("a", "b"), column(meta.getPrimaryKeys(null, "main", table + "_p"), "COLUMN_NAME"));
    assertEquals(List.of("1", "2"), column(meta.getPrimaryKeys(null, null, table + "_p"), "KEY_SEQ"));
    assertEquals(List.of("x", "y"), column(meta.getImportedKeys(null, "main", table + "_c"), "FKCOLUMN_NAME"));
    assertEquals(List.of("a", "b"), column(meta.getExportedKeys(null, "main", table + "_p"), "PKCOLUMN_NAME"));
    assertEquals(List.of(table + "_c", table + "_c"),
        column(meta.getCrossReference(null, "main", table + "_p", null, "main", table + "_c"), "FKTABLE_NAME"));
    assertEquals(List.of(), column(meta.getImportedKeys(null, "main", table + "_p"), "FKCOLUMN_NAME"));
    update("DROP TABLE " + table + "_c");
  }

  @Test
  void keysOfABackendsTable() throws Exception {
    Path folder = Files.createTempDirectory("hyprstream-test-");
    Map<String, String> environment = Map.of(
        "HYPRSTREAM_ADBC_DRIVERS", System.getenv("HYPRSTREAM_ADBC_DRIVERS"),
        "HYPRSTREAM_USERS", "ada = { token = 'ada-token', admin = true }");
    try (Server server = Server.start(environment); Connection other = server.connect("&token=ada-token")) {
      update(other, "ATTACH 'file:" + folder.resolve("lite.db") + "' AS lite (TYPE adbc, DRIVER 'sqlite')");
      update(other, "CREATE TABLE lite.main.p (a INTEGER, b INTEGER, PRIMARY KEY (b, a))");
      DatabaseMetaData there = other.getMetaData();
      assertEquals(List.of("b", "a"), column(there.getPrimaryKeys("lite", "main", "p"), "COLUMN_NAME"));
      assertEquals(List.of("lite", "lite"), column(there.getPrimaryKeys(null, null, "p"), "TABLE_CAT"));
      assertEquals(List.of(), column(there.getImportedKeys("lite", "main", "p"), "FKCOLUMN_NAME"));
    }
  }

  /** Driver 18.3 never asks the server for its types; GetXdbcTypeInfo itself is tested with other clients. */
  @Test
  void typeInfoOfTheDriverIsEmpty() throws SQLException {
    assertEquals(List.of(), column(meta.getTypeInfo(), "TYPE_NAME"));
  }

  @Test
  void whatThereIsNoneOfIsEmpty() throws SQLException {
    assertEquals(List.of(), column(meta.getProcedures(null, null, null), "PROCEDURE_NAME"));
    assertEquals(List.of(), column(meta.getUDTs(null, null, null, null), "TYPE_NAME"));
  }
}
