// Notes behind a login, with a connection pool.
//
//   npm install pg
//   DATABASE_URL=postgresql://notes_app@/notes PORT=8080 node app.mjs
import { once } from "node:events";
import { createServer } from "node:http";
import pg from "pg";

const AUTHENTICATE = {
	name: "authenticate",
	text: "SELECT session_authenticate(session_cookie_read($1)) AS known",
};

// Each new connection prepares the statement.
const makePool = (connectionString) => new pg.Pool({
	connectionString,
	onConnect: (client) => client.query({ ...AUTHENTICATE, values: [null] }),
});

// Sends AUTHENTICATE and a named query before one Sync, so they are one
// transaction: session_user_id() and the policies have the identity of the
// cookie's session. It ends at the Sync.
class AsSession extends pg.Query {
	constructor(cookie, query) {
		super(query);
		this.cookie = cookie;
	}

	prepare(connection) {
		connection.bind({ statement: AUTHENTICATE.name, values: [this.cookie] });
		connection.describe({ type: "P" });
		connection.execute({});
		super.prepare(connection);
	}
}

// Runs a query as the session of the cookie, in one round trip. Returns its
// rows, and whether there is a session; without one it runs anonymously.
async function asSession(pool, cookie, query) {
	const [{ rows: [{ known }] }, { rows }] = await pool.query(new AsSession(cookie, query));
	return { known, rows };
}

const lines = ({ rows }) => rows.map((row) => row.line);

// The routes. Each returns the rows to answer with, or a status.
const routes = {
	async "POST /login"(pool, { body, cookie, address, agent, answer }) {
		const cookies = lines(await pool.query({
			name: "log in",
			text: `SELECT session_cookie_header(token) AS line
				FROM log_in($1, $2, $3, $4, $5) AS token WHERE token IS NOT NULL`,
			values: [body.name, body.password, cookie, address, agent],
		}));
		if (cookies.length === 0)
			return 401;
		answer.setHeader("Set-Cookie", cookies);
		return 204;
	},
	async "POST /logout"(pool, { cookie, answer }) {
		await asSession(pool, cookie, { name: "log out", text: "SELECT session_revoke_mine(session_id())" });
		answer.setHeader("Set-Cookie", lines(await pool.query(
			"SELECT session_cookie_clear(NULL, $1) AS line", [cookie])));
		return 204;
	},
	async "GET /notes"(pool, { cookie }) {
		const { known, rows } = await asSession(pool, cookie, {
			name: "notes", text: "SELECT id, body FROM api.note ORDER BY id" });
		return known ? rows : 401;
	},
	async "POST /notes"(pool, { cookie, body }) {
		const { known, rows } = await asSession(pool, cookie, {
			name: "add note",
			text: `INSERT INTO api.note (body) SELECT $1::text WHERE session_id() IS NOT NULL
				RETURNING id, body`,
			values: [body.body],
		});
		return known ? rows : 401;
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

function makeApp(pool) {
	return createServer(async (request, answer) => {
		let result = 500;
		try {
			const route = routes[`${request.method} ${request.url}`];
			const body = await read(request);
			const { cookie, "user-agent": agent } = request.headers;
			// Behind a proxy: the header that it sets, request.headers["x-forwarded-for"].
			const address = request.socket.remoteAddress;
			result = !route ? 404 : !body ? 400 :
				await route(pool, { body, cookie, address, agent, answer });
		} catch (error) {
			console.error(error);
			answer.removeHeader("Set-Cookie");
		}
		answer.statusCode = typeof result === "number" ? result : 200;
		answer.setHeader("Content-Type", "application/json");
		answer.end(typeof result === "number" ? "" : JSON.stringify(result));
	});
}

const pool = makePool(process.env.DATABASE_URL);
pool.on("error", console.error);
const server = makeApp(pool).listen(process.env.PORT ?? 0, "127.0.0.1");
await once(server, "listening");
console.log(`http://127.0.0.1:${server.address().port}`);
