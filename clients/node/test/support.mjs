// A database with the extension, a browser, and servers for the tests.
//
// Connects as a superuser, with PGHOST, PGPORT, PGUSER and PGDATABASE.
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { after, before } from "node:test";
import pg from "pg";

// Makes a database for the calling file, and a role with the level app that its
// pool connects as. Both are dropped at the end.
export function ownDatabase(setup = "", settings = "session.foreign_tokens = on") {
	const name = `session_node_${process.pid}`;
	const admin = new pg.Client();
	const owner = new pg.Client({ database: name });
	const pool = new pg.Pool({ database: name, user: name, max: 10 });
	const servers = [];

	before(async () => {
		await admin.connect();
		await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
		await admin.query(`CREATE ROLE ${name} LOGIN`);
		await admin.query(`ALTER DATABASE ${name} SET ${settings}`);
		await admin.query(`ALTER DATABASE ${name} SET search_path = public, auth`);
		await owner.connect();
		await owner.query(`CREATE SCHEMA auth; CREATE EXTENSION session SCHEMA auth;
			GRANT USAGE ON SCHEMA auth TO PUBLIC; SELECT session_grant('${name}', 'app')`);
		if (setup)
			await owner.query(setup.replaceAll("APP", name));
	});
	after(async () => {
		for (const server of servers) {
			server.closeAllConnections();
			server.close();
		}
		await pool.end();
		await owner.end();
		await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
		await admin.query(`DROP ROLE ${name}`);
		await admin.end();
	});

	const rows = async (sql, ...values) => (await owner.query(sql, values)).rows;
	return {
		name,
		pool,
		owner,
		rows,
		value: async (sql, ...values) => (await rows(`SELECT ${sql} AS value`, ...values))[0].value,
		// Starts a server of node:http and returns its address.
		async listen(server) {
			servers.push(server);
			server.listen(0, "127.0.0.1");
			await once(server, "listening");
			return `http://127.0.0.1:${server.address().port}`;
		},
	};
}

// Waits until a function returns a value that is true, at most half a minute.
export async function until(condition) {
	for (const deadline = Date.now() + 30000; Date.now() < deadline; await new Promise(setImmediate))
		if (await condition())
			return;
	assert.fail(`never: ${condition}`);
}

// The versions of Fastify, by name. Fastify 5 needs Node 20.
export const FASTIFY = { "Fastify 4": (await import("fastify")).default };
if (Number(process.versions.node.split(".")[0]) >= 20)
	FASTIFY["Fastify 5"] = (await import("fastify5")).default;

// A pool that keeps its queries, and fails them if failing is set.
export function watched(pool) {
	const watch = {
		queries: [],
		failing: null,
		async query(text, values) {
			watch.queries.push({ text, values });
			if (watch.failing)
				throw watch.failing;
			return pool.query(text, values);
		},
		connect: () => pool.connect(),
	};
	return watch;
}

// A browser: it keeps cookies by name and sends them.
export class Browser {
	cookies = new Map();

	constructor(base) {
		this.base = base;
	}

	get header() {
		return [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
	}

	// Answers with status, headers, lines (those of Set-Cookie) and body.
	async send(method, path, { headers = {}, body } = {}) {
		const options = { method, headers: { ...(this.header ? { cookie: this.header } : {}), ...headers } };
		const answer = await new Promise((resolve, reject) => {
			const sent = request(this.base + path, options, async (response) => {
				const chunks = [];
				try {
					for await (const chunk of response)
						chunks.push(chunk);
				} catch (error) {
					return reject(error);
				}
				resolve({ status: response.statusCode, headers: response.headers,
					lines: response.headers["set-cookie"] ?? [], body: Buffer.concat(chunks).toString() });
			});
			sent.on("error", reject).end(body);
		});
		for (const line of answer.lines) {
			const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
			if (/; Max-Age=0(;|$)/i.test(line))
				this.cookies.delete(name);
			else
				this.cookies.set(name, value);
		}
		return answer;
	}

	get(path, options) {
		return this.send("GET", path, options);
	}

	post(path, options) {
		return this.send("POST", path, options);
	}

	async json(path) {
		const { status, body } = await this.get(path);
		assert.equal(status, 200, body);
		return JSON.parse(body);
	}
}
