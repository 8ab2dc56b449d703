// The forms of one request: GET with a credential, answered with the first page
// of the user's notes. Each form returns a function that takes the request and
// returns the rows, or undefined for a request without a user.
//
// Each is what the documentation of its packages shows, and no more. Statements
// have names, except where the form says otherwise.
import { createSecretKey } from "node:crypto";
import PgStore from "connect-pg-simple";
import { RedisStore } from "connect-redis";
import session from "express-session";
import { jwtVerify } from "jose";
import pg from "pg";
import { createClient } from "redis";
import { Together } from "./together.mjs";

const { SECRET, PG_PORT, REDIS_PORT } = process.env;

// Connections stay open, as they do in a server that is in use.
const connect = (user, options) => new pg.Pool({
	host: "127.0.0.1", port: Number(PG_PORT), database: "bench", user,
	max: 4, idleTimeoutMillis: 0, ...options,
});

const PAGE = "SELECT id, title, body FROM note WHERE owner = $1 ORDER BY id DESC LIMIT 20";
const MY_PAGE = "SELECT id, title, body FROM note ORDER BY id DESC LIMIT 20";
const AUTHENTICATE = "SELECT session_authenticate(session_cookie_read($1)) AS known";

// The page of a user whom the application knows.
const pageOf = async (pool, user) =>
	(await pool.query({ name: "page", text: PAGE, values: [user] })).rows;

// The user is not proven at all.
function query() {
	const pool = connect("shop");
	return (request) => pageOf(pool, request.headers["x-user"]);
}

// express-session, with what its manual recommends for a store that has touch.
function expressSession(store, pool) {
	const middleware = session({
		store, secret: SECRET, resave: false, saveUninitialized: false,
		cookie: { maxAge: 24 * 60 * 60 * 1000 },
	});
	return async (request, response) => {
		await new Promise((resolve, reject) =>
			middleware(request, response, (error) => error ? reject(error) : resolve()));
		return request.session.user && pageOf(pool, request.session.user);
	};
}

function connectPgSimple(options) {
	const pool = connect("shop");
	return expressSession(new (PgStore(session))({ pool, ...options }), pool);
}

async function connectRedis() {
	const client = createClient({ url: `redis://127.0.0.1:${REDIS_PORT}` });
	client.on("error", console.error);
	await client.connect();
	return expressSession(new RedisStore({ client }), connect("shop"));
}

function jsonWebToken() {
	const pool = connect("shop");
	const key = createSecretKey(SECRET, "utf8");
	return async (request) => {
		let claims;
		try {
			const token = request.headers.authorization.slice("Bearer ".length);
			claims = (await jwtVerify(token, key, { algorithms: ["HS256"] })).payload;
		} catch {
			return undefined;
		}
		return pageOf(pool, claims.sub);
	};
}

function validateThenQuery() {
	const pool = connect("shop");
	return async (request) => {
		const { rows: [found] } = await pool.query({
			name: "validate",
			text: "SELECT user_id FROM session_validate(session_cookie_read($1))",
			values: [request.headers.cookie],
		});
		return found && pageOf(pool, found.user_id);
	};
}

// Without a session there is no row; a user without notes has one, of NULLs.
const pageOfSession = (rows) =>
	rows.length === 0 ? undefined : rows[0].id === null ? [] : rows;

function statement(name) {
	const pool = connect("shop");
	return async (request) => pageOfSession((await pool.query({
		name,
		text: `SELECT page.* FROM session_validate(session_cookie_read($1)) AS s
			LEFT JOIN LATERAL (SELECT id, title, body FROM note
				WHERE owner = s.user_id ORDER BY id DESC LIMIT 20) AS page ON true`,
		values: [request.headers.cookie],
	})).rows);
}

// Four round trips: as examples/node.
function transaction() {
	const pool = connect("notes_app");
	return async (request) => {
		const client = await pool.connect();
		let lost;
		try {
			await client.query("BEGIN");
			const { rows: [{ known }] } = await client.query(AUTHENTICATE, [request.headers.cookie]);
			const rows = known ? (await client.query(MY_PAGE)).rows : undefined;
			await client.query("COMMIT");
			return rows;
		} catch (error) {
			await client.query("ROLLBACK").catch((reason) => { lost = reason; });
			throw error;
		} finally {
			client.release(lost);
		}
	};
}

// The same four statements in one round trip: the client sends each without
// waiting for the answer to the one before.
function transactionPipelined() {
	const pool = connect("notes_app", { pipeline: true });
	return async (request) => {
		const client = await pool.connect();
		let lost;
		try {
			const [, { rows: [{ known }] }, { rows }] = await Promise.all([
				client.query("BEGIN"),
				client.query({ name: "authenticate", text: AUTHENTICATE, values: [request.headers.cookie] }),
				client.query({ name: "my_page", text: MY_PAGE }),
				client.query("COMMIT"),
			]);
			return known ? rows : undefined;
		} catch (error) {
			await client.query("ROLLBACK").catch((reason) => { lost = reason; });
			throw error;
		} finally {
			client.release(lost);
		}
	};
}

function pipeline() {
	const pool = connect("notes_app");
	return async (request) => {
		const [{ rows: [{ known }] }, { rows }] = await pool.query(new Together([
			{ name: "authenticate", text: AUTHENTICATE, values: [request.headers.cookie] },
			{ name: "my_page", text: MY_PAGE, values: [] },
		]));
		return known ? rows : undefined;
	};
}

function oneFunction() {
	const pool = connect("notes_app");
	return async (request) => pageOfSession((await pool.query({
		name: "my_notes", text: "SELECT id, title, body FROM my_notes($1)", values: [request.headers.cookie],
	})).rows);
}

export const forms = {
	query,
	connect_pg_simple: () => connectPgSimple({ tableName: "web_touched" }),
	connect_pg_simple_no_touch: () => connectPgSimple({ tableName: "web_untouched", disableTouch: true }),
	connect_redis: connectRedis,
	jwt: jsonWebToken,
	validate_then_query: validateThenQuery,
	transaction,
	transaction_pipelined: transactionPipelined,
	statement: () => statement("notes_of_session"),
	statement_unnamed: () => statement(),
	pipeline,
	function: oneFunction,
};
