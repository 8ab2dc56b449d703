// A request of the user ada, and a pool.
import pg from "pg";

const pool = new pg.Pool();
const req = {
	headers: { cookie: process.env.COOKIE, "user-agent": "curl/8" },
	socket: { remoteAddress: "198.51.100.7" },
};
BLOCK
if (session.user_id !== "ada" || session.data.cart[0] !== "tea")
	throw new Error(JSON.stringify(session));
await pool.end();
