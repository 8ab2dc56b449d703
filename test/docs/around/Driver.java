// Requests with and without a session.
import java.sql.*;
import java.util.UUID;

class Program {
    record Request(String cookie, String agent) {
        String getHeader(String name) { return name.equals("Cookie") ? cookie : agent; }
        String getRemoteAddr() { return "198.51.100.7"; }
    }

    static Request ada = new Request(System.getenv("COOKIE"), "curl/8");
    static Request stranger = new Request(null, null);

BLOCK
}
