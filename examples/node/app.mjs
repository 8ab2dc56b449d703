// Notes behind a login, with a connection pool.
//
//   npm install pg
//   DATABASE_URL=postgresql://notes_app@/notes PORT=8080 node app.mjs
import { once } from "node:events";
import { createServer } from "node:http";
import pg from "pg";

// Runs work in a transaction that has the identity of the cookie's session:
// session_user_id() and the policies use it. The identity ends with the
// transaction.
export async function withSession(pool, cookie, work) {
	const client = await pool.connect();
	let lost;
	try {
		await client.query("BEGIN");
		const { rows: [{ known }] } = await client.query(
			"SELECT session_authenticate(session_cookie_read($1)) AS known", [cookie]);
		const result = await work(client, known);
		await client.query("COMMIT");
		return result;
	} catch (error) {
		await client.query("ROLLBACK").catch((reason) => { lost = reason; });
		throw error;
	} finally {
		client.release(lost);
	}
}

const lines = async (client, sql, ...values) =>
	(await client.query(sql, values)).rows.map((row) => row.line);

// The routes. Each returns the rows to answer with, or a status.
const routes = {
	async "POST /login"(client, { body, cookie, address, agent, answer }) {
		const { rows: [{ token }] } = await client.query(
			"SELECT log_in($1, $2, $3, $4, $5) AS token",
			[body.name, body.password, cookie, address, agent]);
		if (token === null)
			return 401;
		answer.setHeader("Set-Cookie", await lines(client, "SELECT session_cookie_header($1) AS line", token));
		return 204;
	},
	async "POST /logout"(client, { cookie, answer }) {
		await client.query("SELECT session_revoke_mine(session_id())");
		answer.setHeader("Set-Cookie", await lines(client, "SELECT session_cookie_clear(NULL, $1) AS line", cookie));
		return 204;
	},
	async "GET /notes"(client, { known }) {
		return known ? (await client.query("SELECT id, body FROM api.note ORDER BY id")).rows : 401;
	},
	async "POST /notes"(client, { known, body }) {
		return known ? (await client.query(
			"INSERT INTO api.note (body) VALUES ($1) RETURNING id, body", [body.body])).rows : 401;
	},
};

async function read(request) {
	let text = "";
	for await (const chunk of request.setEncoding("utf8"))
		if ((text += chunk).length > 10000)
			return null;
	try {
		return Object(JSON.parse(text || "{}"));
	} catch {
		return null;
	}
}

export function makeApp(pool) {
	return createServer(async (request, answer) => {
		let result = 500;
		try {
			const route = routes[`${request.method} ${request.url}`];
			const body = await read(request);
			const { cookie, "user-agent": agent } = request.headers;
			// Behind a proxy: the header that it sets, request.headers["x-forwarded-for"].
			const address = request.socket.remoteAddress;
			result = !route ? 404 : !body ? 400 : await withSession(pool, cookie,
				(client, known) => route(client, { known, body, cookie, address, agent, answer }));
		} catch (error) {
			console.error(error);
			answer.removeHeader("Set-Cookie");
		}
		answer.statusCode = typeof result === "number" ? result : 200;
		answer.setHeader("Content-Type", "application/json");
		answer.end(typeof result === "number" ? "" : JSON.stringify(result));
	});
}

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
pool.on("error", console.error);
const server = makeApp(pool).listen(process.env.PORT ?? 0, "127.0.0.1");
await once(server, "listening");
console.log(`http://127.0.0.1:${server.address().port}`);
