// A request of the user ada, and a pool.
import pg from "pg";

const pool = new pg.Pool();
const request = { headers: { cookie: process.env.COOKIE } };
BLOCK
await pool.end();
