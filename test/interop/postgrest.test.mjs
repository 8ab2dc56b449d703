// JWTs of sessions, tested against a real PostgREST.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, test } from "node:test";
import { SignJWT } from "jose";
import { ownRoles, skip, startPostgrest } from "./gateway.mjs";
import { ownDatabase, secondsNow } from "./support.mjs";

// PostgREST and the application fix these names, so the test cannot make them
// unique.
const ROLES = ["web_anon", "member"];
const AUTHENTICATOR = "session_interop_authenticator";
const AUDIENCE = "session-interop";

const secret = randomBytes(24).toString("base64url");
const db = ownDatabase("postgrest", finish);
const roles = ownRoles(db, AUTHENTICATOR, ROLES);
let postgrest;

async function finish() {
	await postgrest?.stop();
	await roles.drop();
}

before(async () => {
	if (skip)
		return;
	await roles.make();
	await db.rows("CREATE SCHEMA api");
	await db.rows(`GRANT USAGE ON SCHEMA api TO ${ROLES}`);
	await db.rows(`CREATE FUNCTION api.me() RETURNS json LANGUAGE sql STABLE AS $$
		SELECT json_build_object('user', current_user,
			'claims', nullif(current_setting('request.jwt.claims', true), '')::json) $$`);
	await db.importKey(secret, "jwt");

	postgrest = await startPostgrest(db.database, AUTHENTICATOR, {
		db_schemas: "api",
		db_anon_role: "web_anon",
		db_pool: "2",
		jwt_secret: secret,
		jwt_aud: AUDIENCE,
	});
}, { timeout: 60000 });

const ask = (jwt) => postgrest.ask("/rpc/me", { headers: jwt && { authorization: `Bearer ${jwt}` } });

const newSession = (user, role) => db.value(
	"(session_create(user_id => $1, role => $2)).token", user, role);

const mint = (token, options = {}) => db.value(
	"session_jwt($1, ttl => $2, claims => $3, audience => $4)",
	token, "5 min", JSON.stringify(options.claims ?? {}), options.audience ?? null);

const sign = (claims) => new SignJWT(claims)
	.setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(new TextEncoder().encode(secret));

test("without a JWT a request is anonymous", { skip }, async () => {
	const { status, body } = await ask();
	assert.equal(status, 200);
	assert.equal(body.user, "web_anon");
});

test("PostgREST accepts the JWT of a session, with its role and claims", { skip }, async () => {
	const token = await newSession("ada", "member");
	for (const options of [{}, { audience: AUDIENCE }, { claims: { scope: "read", name: "Zoë" } }]) {
		const jwt = await mint(token, options);
		const { status, body } = await ask(jwt);
		assert.equal(status, 200, JSON.stringify(body));
		assert.equal(body.user, "member");
		assert.deepEqual(body.claims, await db.decode(jwt, "jwt"));
		assert.equal(body.claims.sub, "ada");
		assert.equal(body.claims.role, "member");
		assert.equal(body.claims.scope, options.claims?.scope);
	}
});

test("the JWT of a session without a role has the anonymous role and its claims", { skip }, async () => {
	const { status, body } = await ask(await mint(await newSession("ada", null), { claims: { scope: "read" } }));
	assert.equal(status, 200);
	assert.equal(body.user, "web_anon");
	assert.equal(body.claims.sub, "ada");
	assert.equal(body.claims.scope, "read");
	await assert.rejects(mint(await newSession("ada", null), { claims: { role: "member" } }), { code: "22023" });
});

test("PostgREST refuses a JWT for another audience", { skip }, async () => {
	const jwt = await mint(await newSession("ada", "member"), { audience: "other-audience" });
	assert.equal((await ask(jwt)).status, 401);
});

test("PostgREST and session refuse a JWT that was altered", { skip }, async () => {
	const jwt = await mint(await newSession("ada", "member"));
	const [header, payload, mac] = jwt.split(".");
	const claims = JSON.parse(Buffer.from(payload, "base64url"));
	const forged = Buffer.from(JSON.stringify({ ...claims, sub: "eve" })).toString("base64url");
	const other = (mac[0] === "A" ? "B" : "A") + mac.slice(1);
	for (const bad of [`${header}.${forged}.${mac}`, `${header}.${payload}.${other}`, `${header}.${payload}.`]) {
		assert.equal((await ask(bad)).status, 401);
		assert.equal(await db.decode(bad, "jwt"), null);
	}
	assert.equal((await ask(jwt)).status, 200);
});

test("PostgREST and session refuse an expired JWT", { skip }, async () => {
	const good = await sign({ role: "member", sub: "ada", exp: secondsNow() + 300 });
	assert.deepEqual((await ask(good)).body.user, "member");
	assert.equal((await db.decode(good, "jwt")).sub, "ada");
	const expired = await sign({ role: "member", sub: "ada", exp: secondsNow() - 300 });
	const { status, body } = await ask(expired);
	assert.equal(status, 401);
	assert.match(body.message, /expired/);
	assert.equal(await db.decode(expired, "jwt"), null);
});

test("a revoked session gets no JWT, and PostgREST refuses a JWT of a new key", { skip }, async () => {
	const token = await newSession("ada", "member");
	assert.equal((await ask(await mint(token))).status, 200);
	const kid = await db.importKey(randomBytes(32), "jwt");
	assert.equal((await ask(await mint(token))).status, 401);
	await db.retireKey(kid);
	assert.equal((await ask(await mint(token))).status, 200);
	await db.value("session_revoke($1)", token);
	assert.equal(await mint(token), null);
});
