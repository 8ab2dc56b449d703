// A request of the user ada, who has a note, a pool and the statement.
import pg from "pg";

const pool = new pg.Pool();
const req = {
	headers: { cookie: process.env.COOKIE, "user-agent": "curl/8" },
	socket: { remoteAddress: "198.51.100.7" },
};
const page = `SELECT s.user_id, n.body
  FROM session_validate(session_cookie_read($1), ip => $2, user_agent => $3) AS s
  LEFT JOIN LATERAL (SELECT body FROM note WHERE owner = s.user_id) AS n ON true`;
await pool.query("CREATE TABLE IF NOT EXISTS note AS SELECT 'ada' AS owner, 'buy tea' AS body");
BLOCK
if (JSON.stringify(rows) !== '[{"user_id":"ada","body":"buy tea"}]')
	throw new Error(JSON.stringify(rows));
await pool.end();
