// A service that publishes a JWK Set, and a JWT of the user ada for another one.
import { createServer } from "node:http";
import pg from "pg";

const pool = new pg.Pool();
const ask = async (sql, ...values) => Object.values((await pool.query(sql, values)).rows[0])[0];
const server = createServer(async (request, response) => {
	response.setHeader("content-type", "application/json");
	response.end(JSON.stringify(request.url === "/.well-known/jwks.json" ? await ask("SELECT session_jwks()") : {}));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
const jwt = await ask("SELECT session_jwt((session_create('ada')).token, claims => $1, audience => 'billing')", { iss: issuer });
BLOCK
server.close();
await pool.end();
