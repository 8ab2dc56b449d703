// JWTs with public keys, tested against a real PostgREST: one publishes the
// JWK Set, and another has it as its jwt-secret.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { ownRoles, skip, startPostgrest } from "./gateway.mjs";
import { ownDatabase } from "./support.mjs";

const ANONYMOUS = "session_interop_jwks_anonymous";
const MEMBER = "session_interop_jwks_member";
const AUTHENTICATOR = "session_interop_jwks_authenticator";
const ALGORITHMS = ["ES256", "EdDSA", "RS256"];

const db = ownDatabase("postgrest_jwks", finish);
const roles = ownRoles(db, AUTHENTICATOR, [ANONYMOUS, MEMBER]);
const kids = {};
let publisher;
let verifier;

async function finish() {
	await publisher?.stop();
	await verifier?.stop();
	await roles.drop();
}

const start = (settings) => startPostgrest(db.database, AUTHENTICATOR, {
	db_anon_role: ANONYMOUS, db_pool: "2", ...settings,
});
const published = async () => (await publisher.ask("/rpc/session_jwks")).body;
const verifyWith = (jwks) => start({ db_schemas: "api", jwt_secret: JSON.stringify(jwks) });

before(async () => {
	if (skip)
		return;
	await roles.make();
	await db.rows("CREATE SCHEMA api");
	await db.rows(`GRANT USAGE ON SCHEMA api TO ${ANONYMOUS}, ${MEMBER}`);
	await db.rows(`CREATE FUNCTION api.me() RETURNS json LANGUAGE sql STABLE AS $$
		SELECT json_build_object('user', current_user,
			'claims', nullif(current_setting('request.jwt.claims', true), '')::json) $$`);
	for (const algorithm of ALGORITHMS)
		kids[algorithm] = await db.value("session_key_rotate('jwt', $1)", algorithm);
	publisher = await start({ db_schemas: "public" });
	verifier = await verifyWith(await published());
}, { timeout: 60000 });

const ask = (jwt) => verifier.ask("/rpc/me", { headers: { authorization: `Bearer ${jwt}` } });
const newSession = () => db.value("(session_create('ada', role => $1)).token", MEMBER);

// Makes the key of an algorithm the one that signs.
const signWith = (algorithm) => db.rows(
	"UPDATE session.keys SET activated_at = clock_timestamp() WHERE kid = $1", kids[algorithm]);

test("PostgREST publishes the JWK Set to anyone", { skip }, async () => {
	for (const path of ["/rpc/session_jwks", "/rpc/session_jwks?purpose=jwt"]) {
		const { status, headers, body } = await publisher.ask(path);
		assert.equal(status, 200);
		assert.match(headers["content-type"], /^application\/json/);
		assert.deepEqual(body, await db.value("session_jwks()"));
		assert.deepEqual(body.keys.map(({ kid }) => kid), ALGORITHMS.map((algorithm) => kids[algorithm]));
	}
	assert.deepEqual((await publisher.ask("/rpc/session_jwks?purpose=session")).body, { keys: [] });
	assert.deepEqual((await publisher.ask(`/rpc/session_jwks?purpose=${"x".repeat(1000)}%2F`)).body, { keys: [] });
	for (const name of ["session_key_rotate", "session_key_import_jwk", "session_jwt"])
		assert.notEqual((await publisher.ask(`/rpc/${name}`, { post: {} })).status, 200);
});

for (const algorithm of ALGORITHMS)
	test(`PostgREST accepts the JWT of a session with ${algorithm}`, { skip }, async () => {
		await signWith(algorithm);
		const jwt = await db.value("session_jwt($1, claims => $2)", await newSession(), JSON.stringify({ name: "Zoë" }));
		const { alg, kid } = JSON.parse(Buffer.from(jwt.split(".")[0], "base64url"));
		assert.deepEqual({ alg, kid }, { alg: algorithm, kid: kids[algorithm] });
		const { status, body } = await ask(jwt);
		assert.equal(status, 200, JSON.stringify(body));
		assert.equal(body.user, MEMBER);
		assert.deepEqual(body.claims, await db.decode(jwt, "jwt"));

		const [header, payload, signature] = jwt.split(".");
		const claims = JSON.parse(Buffer.from(payload, "base64url"));
		const forged = Buffer.from(JSON.stringify({ ...claims, sub: "eve" })).toString("base64url");
		const other = (signature[0] === "A" ? "B" : "A") + signature.slice(1);
		for (const bad of [`${header}.${forged}.${signature}`, `${header}.${payload}.${other}`, `${header}.${payload}.`]) {
			assert.equal((await ask(bad)).status, 401);
			assert.equal(await db.decode(bad, "jwt"), null);
		}
	});

test("PostgREST accepts what a new key signs, because it was published before", { skip }, async () => {
	const kid = await db.value("session_key_rotate('jwt', 'ES256')");
	const gateway = await verifyWith(await published());
	try {
		await db.rows("UPDATE session.keys SET activated_at = clock_timestamp() WHERE kid = $1", kid);
		const jwt = await db.value("session_jwt($1)", await newSession());
		const request = { headers: { authorization: `Bearer ${jwt}` } };
		assert.equal((await gateway.ask("/rpc/me", request)).body.user, MEMBER);
		assert.equal((await verifier.ask("/rpc/me", request)).status, 401);
	} finally {
		await gateway.stop();
	}
});
