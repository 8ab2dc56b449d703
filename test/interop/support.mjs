// Shared by the tests of cookies: a database, keys, and functions that alter a
// value.
//
// Connects as a superuser, with PGHOST, PGPORT, PGUSER and PGDATABASE.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import pg from "pg";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Creates a database for the calling file, from its first test to its last.
// setup is run in the new database; finish is called before the database is
// dropped.
export function ownDatabase(name, finish = () => { }, setup = "CREATE EXTENSION session") {
	const database = `session_interop_${name}_${process.pid}`;
	const server = new pg.Client();
	const client = new pg.Client({ database });

	before(async () => {
		await server.connect();
		await server.query(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'UTF8'`);
		await client.connect();
		await client.query(setup);
	});
	after(async () => {
		try {
			await finish();
		} finally {
			await client.end();
			await server.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
			await server.end();
		}
	});

	const rows = async (sql, ...values) => (await client.query(sql, values)).rows;
	const value = async (sql, ...values) => {
		const [row] = await rows(`SELECT ${sql} AS value`, ...values);
		return row.value;
	};

	return {
		database,
		rows,
		value,
		encode: (payload, encoding, purpose, ttl = "1 hour") =>
			value("session_cookie_encode($1, $2, $3, $4)",
				JSON.stringify(payload), encoding, ttl, purpose),
		decode: (cookie, purpose) => value("session_cookie_decode($1, $2)", cookie, purpose),
		revoke: (cookie, purpose) => value("session_cookie_revoke($1, $2)", cookie, purpose),
		importKey: (secret, purpose, kid = null) =>
			value("session_key_import($1, $2, $3)", Buffer.from(secret), kid, purpose),
		retireKey: (kid) => value("session_key_retire($1)", kid),
		// Returns those of many values that are accepted.
		accepted: async (cookies, purpose) => (await rows(
			"SELECT v FROM unnest($1::text[]) v WHERE session_cookie_decode(v, $2) IS NOT NULL",
			cookies, purpose)).map((row) => row.v),
	};
}

// Returns every value that is almost the given one: with one bit of a
// character flipped, both a significant bit and one that only fills up the
// last character; with a part missing or added; truncated; or with something
// appended or prepended.
export function almost(value) {
	const flipped = [...value].flatMap((c, i) => {
		const index = ALPHABET.indexOf(c);
		const others = index < 0 ? ["A", "_"] : [ALPHABET[index ^ 1], ALPHABET[index ^ 32]];
		return others.map((other) => value.slice(0, i) + other + value.slice(i + 1));
	});
	const cut = Array.from(value, (_, i) => value.slice(0, i));
	const put = ["A", "AAAA", "=", "==", "====", ".", ".A", "..", " ", "\n", "%", "%3D"]
		.flatMap((more) => [value + more, more + value]);
	const parts = value.split(".").map((_, i, all) => all.filter((_, j) => j !== i).join("."));
	return [...flipped, ...cut, ...put, ...parts].filter((other) => other !== value);
}

// Asserts that the value is accepted and that no value that is almost the same
// is.
export async function assertNothingElse(db, value, purpose) {
	assert.notEqual(await db.decode(value, purpose), null);
	const others = almost(value);
	assert.ok(others.length > 3 * value.length);
	assert.deepEqual(await db.accepted(others, purpose), []);
}

export const secondsNow = () => Math.floor(Date.now() / 1000);

// Strings and numbers that encoders represent in different ways.
export const PAYLOAD = {
	sub: "42",
	name: "Ada \"Countess\" Lovelace \\ / <&> a  b",
	email: "ada@example.com",
	picture: null,
	text: "é ß 漢字 \u{1F600} \u2028 \u007f \u0001 \t",
	"ключ ": ["", 0, -1, 1.5, 1e21, true, false, null, {}, []],
	nested: { a: { b: [{ c: "d" }] } },
};
