// Statements with parameters. Values never become part of a statement's text,
// so no token does.
"use strict";

const { createHash } = require("node:crypto");

class Fragment {
	constructor(strings, parts) {
		this.strings = strings;
		this.parts = parts;
	}
}

// sql`SELECT f(${value})`: each value becomes a parameter, and another
// sql`...` is put in its place.
const sql = (strings, ...parts) => new Fragment(strings, parts);

// Text that is part of a statement, such as the name of a function.
const raw = (text) => new Fragment([text], []);

function write(fragment, values) {
	return fragment.strings.reduce((text, string, i) => {
		const part = fragment.parts[i - 1];
		if (part instanceof Fragment)
			return text + write(part, values) + string;
		values.push(part ?? null);
		return `${text}$${values.length}${string}`;
	});
}

const names = new Map();

// The name of a prepared statement, which depends on its text alone.
function nameOf(text) {
	if (!names.has(text))
		names.set(text, "session_" + createHash("sha256").update(text).digest("hex").slice(0, 24));
	return names.get(text);
}

// Runs statements on a pool, or on any object with query(text, values).
class Database {
	constructor({ pool, schema, prepare = false }) {
		if (typeof pool?.query !== "function")
			throw new TypeError('the option "pool" must be a pool of pg, or another object with a function query');
		this.pool = pool;
		this.prepare = prepare;
		const prefix = schema === undefined ? "" : `"${String(schema).replaceAll('"', '""')}".`;
		// f.session_login is the name of that function, with the schema.
		this.f = new Proxy({}, { get: (_, name) => raw(prefix + name) });
	}

	// Returns the rows.
	async rows(fragment, client = this.pool) {
		const values = [];
		const text = write(fragment, values);
		try {
			const { rows } = this.prepare ?
				await client.query({ name: nameOf(text), text, values }) :
				await client.query(text, values);
			return rows;
		} catch (error) {
			throw withoutParameters(error);
		}
	}

	async row(fragment, client) {
		return (await this.rows(fragment, client))[0];
	}
}

// A server with log_parameter_max_length_on_error puts parameters into the
// context of an error. A foreign token could be one of them.
function withoutParameters(error) {
	if (/\bparameters?\b/.test(error?.where))
		error.where = undefined;
	return error;
}

// The JSON text of a value as a jsonb parameter; NULL if there is none.
const json = (value) => (value === undefined ? null : JSON.stringify(value));

module.exports = { Database, json, raw, sql };
