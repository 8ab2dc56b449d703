// A request of the user ada, who has a note, a connection and the statement.
import java.sql.*;

class Program {
    record Request(String cookie) {
        String getHeader(String name) { return name.equals("Cookie") ? cookie : "curl/8"; }
        String getRemoteAddr() { return "198.51.100.7"; }
    }

    static String page = """
        SELECT s.user_id, n.body
          FROM session_validate(session_cookie_read(?), ip => ?::inet, user_agent => ?) AS s
          LEFT JOIN LATERAL (SELECT body FROM note WHERE owner = s.user_id) AS n ON true
        """;

    public static void main(String[] args) throws Exception {
        var request = new Request(System.getenv("COOKIE"));
        var connection = DriverManager.getConnection(System.getenv("JDBC_URL") + "&prepareThreshold=1");
        connection.createStatement().execute(
            "CREATE TABLE IF NOT EXISTS note AS SELECT 'ada' AS owner, 'buy tea' AS body");
BLOCK
        if (!rows.next() || !rows.getString(1).equals("ada") || !rows.getString(2).equals("buy tea"))
            throw new Exception("not the note of ada");
    }
}
