// A request of the user ada, and a connection.
import java.sql.*;

class Program {
    record Request(String cookie) {
        String getHeader(String name) { return name.equals("Cookie") ? cookie : "curl/8"; }
        String getRemoteAddr() { return "198.51.100.7"; }
    }

    public static void main(String[] args) throws Exception {
        var request = new Request(System.getenv("COOKIE"));
        var connection = DriverManager.getConnection(System.getenv("JDBC_URL"));
BLOCK
        if (!session.next() || !session.getString(1).equals("ada"))
            throw new Exception("not ada");
    }
}
