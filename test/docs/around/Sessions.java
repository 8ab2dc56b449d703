// A browser without a web server: a request, and what its answer changes.
import java.sql.SQLException;
import java.util.List;
import org.postgresql.ds.PGSimpleDataSource;

class Program {
    static final PGSimpleDataSource pool = new PGSimpleDataSource();
    static final Sessions sessions = new Sessions(pool);

    static { pool.setUrl(System.getenv("JDBC_URL")); }

    static Sessions.Client after(Sessions.Client before, List<String> cookies) {
        return new Sessions.Client(cookies.get(0).split(";")[0], before.address(), before.agent());
    }

BLOCK
}
