package hyprstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Connecting: identity, URL parameters, sessions. */
class ConnectionTest extends JdbcTest {
  // crypt(3) of `lovelace`
  private static final String HASH = "$6$analytic$wArNFGk6Yx0tXIwiU2SYbKihNMHM3ep/EX8E.w4FyRq.T8nlH45O7BK4qzJaCyKILxBZ2Sk83f.HaB8Xw8KWT.";

  @Test
  void userAndPasswordOrTokenOrNothing() throws SQLException {
    Map<String, String> users = Map.of("HYPRSTREAM_USERS", "ada = { password_hash = '" + HASH + "' }");
    try (Server guarded = Server.start(users)) {
      try (Connection ada = guarded.connect("&user=ada&password=lovelace")) {
        assertEquals(List.of("ada"), rows(ada, "SELECT DISTINCT user_name FROM hyprstream.sessions"));
      }
      String wrong = failure(() -> rows(guarded.connect("&user=ada&password=byron"), "SELECT 1"));
      assertTrue(wrong.toLowerCase().contains("unauthenticated") || wrong.contains("password"), wrong);
      String nobody = failure(() -> rows(guarded.connect(), "SELECT 1"));
      assertTrue(nobody.toLowerCase().contains("unauthenticated") || nobody.contains("password"), nobody);
    }
  }

  @Test
  void theCatalogOfTheUrlIsASessionOption() throws SQLException {
    String catalog = rows("SELECT current_database()").get(0);
    Connection known = Server.shared().connect("&catalog=" + catalog);
    assertEquals(List.of("1"), rows(known, "SELECT 1"));
    closeQuietly(known);
    String unknown = failure(() -> rows(Server.shared().connect("&catalog=elsewhere"), "SELECT 1"));
    assertTrue(unknown.toLowerCase().contains("catalog"), unknown);
  }

  /** The driver closes its channel before the session and may then say so. */
  private static void closeQuietly(Connection connection) {
    try {
      connection.close();
    } catch (SQLException error) {
      assertTrue(error.toString().contains("shutdown"), error.toString());
    }
  }

  /** What the driver does not know it sends as a header with every call. */
  @Test
  void unknownUrlParametersAndLongHeadersPass() throws SQLException {
    try (Connection odd = Server.shared().connect("&application=browser&note=" + "x".repeat(4096))) {
      assertEquals(List.of("1"), rows(odd, "SELECT 1"));
    }
  }

  @Test
  void settingsStickToTheSession() throws SQLException {
    try (Connection other = Server.shared().connect()) {
      update("CREATE SCHEMA sch_" + table);
      update("SET schema = 'sch_" + table + "'");
      update("CREATE TABLE here AS SELECT 5 AS i");
      assertEquals(List.of("5"), rows("SELECT i FROM here"));
      assertTrue(failure(() -> rows(other, "SELECT i FROM here")).contains("here"));
      assertEquals(List.of("5"), rows(other, "SELECT i FROM sch_" + table + ".here"));
    }
  }

  @Test
  void aConnectionIsValidUntilItIsClosed() throws SQLException {
    Connection other = Server.shared().connect();
    assertTrue(other.isValid(5));
    other.close();
    assertTrue(other.isClosed());
  }
}
