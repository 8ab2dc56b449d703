// What docs/guides/public-keys.md says about a real PostgREST: it publishes the
// JWK Set at /rpc/jwks, and verifies JWTs with the set of a file, or with the
// one that its db-pre-config asks for.
import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { ownRoles, skip, startPostgrest } from "./gateway.mjs";
import { ownDatabase } from "./support.mjs";

const ANONYMOUS = "session_interop_keys_anonymous";
const MEMBER = "session_interop_keys_member";
const AUTHENTICATOR = "session_interop_keys_authenticator";
const PAGE = new URL("../../docs/guides/public-keys.md", import.meta.url);

const db = ownDatabase("keys_guide", finish,
	"CREATE SCHEMA auth; CREATE EXTENSION session SCHEMA auth; GRANT USAGE ON SCHEMA auth TO PUBLIC; SET search_path = public, auth");
const roles = ownRoles(db, AUTHENTICATOR, [ANONYMOUS, MEMBER]);
const gateways = [];
let text;

async function finish() {
	for (const gateway of gateways)
		await gateway.stop();
	await roles.drop();
}

// Returns the block of a language that has this text.
const block = (language, needle) => [...text.matchAll(/^```(\w+)\n(.*?)^```/gms)]
	.find((found) => found[1] === language && found[2].includes(needle))[2];
const settings = (needle) => Object.fromEntries([...block("ini", needle).matchAll(/^(\S+)\s*= "(.*)"$/gm)]
	.map(([, name, value]) => [name.replaceAll("-", "_"), value]));

async function start(more) {
	const gateway = await startPostgrest(db.database, AUTHENTICATOR,
		{ db_schemas: "api", db_anon_role: ANONYMOUS, db_pool: "2", ...more });
	gateways.push(gateway);
	return gateway;
}

const newJwt = async () => db.value("session_jwt((session_create('ada', role => $1)).token, audience => 'api')", MEMBER);
const userOf = async (gateway, jwt) => (await gateway.ask("/rpc/who", { headers: { authorization: `Bearer ${jwt}` } })).body;

before(async () => {
	if (skip)
		return;
	text = await readFile(PAGE, "utf8");
	await roles.make();
	await db.value("session_key_rotate('jwt', 'ES256')");
	await db.rows(block("sql", "api.jwks"));
	await db.rows(block("sql", "postgrest_config"));
	await db.rows("CREATE FUNCTION api.who() RETURNS text LANGUAGE sql STABLE RETURN current_user");
	await db.rows(`GRANT USAGE ON SCHEMA api TO ${ANONYMOUS}, ${MEMBER}`);
}, { timeout: 60000 });

test("PostgREST verifies with the JWK Set of a file, and publishes it", { skip }, async () => {
	const folder = await mkdtemp(join(tmpdir(), "session-jwks-"));
	try {
		const file = join(folder, "jwks.json");
		await chmod(folder, 0o755);		// PostgREST may run as another user
		await writeFile(file, JSON.stringify(await db.value("session_jwks()")), { mode: 0o644 });
		const { jwt_secret, jwt_aud } = settings("jwt-secret");
		assert.equal(jwt_secret, "@/etc/postgrest/jwks.json");
		const gateway = await start({ jwt_secret: `@${file}`, jwt_aud });
		assert.deepEqual((await gateway.ask("/rpc/jwks")).body, await db.value("session_jwks()"));
		assert.equal(await userOf(gateway, await newJwt()), MEMBER);
		const other = await db.value("session_jwt((session_create('ada', role => $1)).token, audience => 'billing')", MEMBER);
		assert.equal((await gateway.ask("/rpc/who", { headers: { authorization: `Bearer ${other}` } })).status, 401);
	} finally {
		await rm(folder, { recursive: true });
	}
});

test("PostgREST asks the database for the JWK Set, and again when it is notified", { skip }, async () => {
	const gateway = await start({ ...settings("db-pre-config"), db_config: "true", db_channel_enabled: "true" });
	const first = await newJwt();
	assert.equal(await userOf(gateway, first), MEMBER);
	await db.rows("SET session.key_lead = 0");
	await db.rows("BEGIN");
	await db.value("session_key_rotate('jwt', 'ES256')");
	await db.rows("NOTIFY pgrst, 'reload config'");
	await db.rows("COMMIT");
	await db.rows("RESET session.key_lead");
	const second = await newJwt();
	let user;
	for (let i = 0; i < 100 && user !== MEMBER; i++) {
		await new Promise((resolve) => setTimeout(resolve, 100));
		user = await userOf(gateway, second);
	}
	assert.equal(user, MEMBER);
	assert.equal(await userOf(gateway, first), MEMBER);
});
