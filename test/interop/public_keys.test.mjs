// Keys of algorithms for signatures, tested against jose: it verifies what
// session signs, and session accepts what jose signs as an issuer would.
import assert from "node:assert/strict";
import { createHmac, webcrypto } from "node:crypto";
import { test } from "node:test";
import { Auth } from "@auth/core";
import {
	SignJWT, UnsecuredJWT, base64url, calculateJwkThumbprint, createLocalJWKSet, decodeProtectedHeader,
	exportJWK, generateKeyPair, importJWK, jwtVerify,
} from "jose";
import { PAYLOAD, assertNothingElse, ownDatabase, secondsNow } from "./support.mjs";

// Auth.js expects this global, which Node 18 does not set.
globalThis.crypto ??= webcrypto;

const db = ownDatabase("public_keys");
const ALGORITHMS = ["ES256", "EdDSA", "RS256"];
const ISSUER = "https://id.example.com/realms/shop";
const AUDIENCE = "shop";

let purposes = 0;
const newPurpose = () => `public-${++purposes}`;
const rotate = (purpose, algorithm) => db.value("session_key_rotate($1, $2)", purpose, algorithm);
const jwks = (purpose) => db.value("session_jwks($1)", purpose);
const importJwk = async (jwk, purpose, issuer = null, audience = null) => (await db.rows(
	"SELECT session_key_import_jwk($1, $2, $3, $4) AS kid", JSON.stringify(jwk), purpose, issuer, audience)).map((row) => row.kid);

// Makes an issuer with a key. The JWK has what the issuer adds to it.
async function newIssuer(alg, more = {}) {
	const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
	const jwk = { ...await exportJWK(publicKey), ...more };
	const sign = (claims, header = {}) => new SignJWT(claims)
		.setProtectedHeader({ alg, ...jwk.kid && { kid: jwk.kid }, ...header }).sign(privateKey);
	return { alg, jwk, publicKey, privateKey, sign };
}

const fresh = (more = {}) => ({ iss: ISSUER, aud: AUDIENCE, sub: "ada", iat: secondsNow(), exp: secondsNow() + 60, ...more });

for (const algorithm of ALGORITHMS)
	test(`jose verifies a JWT of session with ${algorithm}, through the JWK Set`, async () => {
		const purpose = newPurpose();
		const kid = await rotate(purpose, algorithm);
		const set = createLocalJWKSet(await jwks(purpose));
		const options = { algorithms: [algorithm], typ: "JWT", maxTokenAge: "1m", requiredClaims: ["iat", "exp", "jti"] };
		const jwt = await db.encode(PAYLOAD, "jwt", purpose);
		const { payload, protectedHeader } = await jwtVerify(jwt, set, options);
		const { iat, exp, jti, ...rest } = payload;
		assert.deepEqual(protectedHeader, { alg: algorithm, typ: "JWT", kid });
		assert.deepEqual(rest, PAYLOAD);
		assert.equal(exp - iat, 3600);
		assert.deepEqual(await db.decode(jwt, purpose), payload);
		for (let i = 0; i < 50; i++)
			await jwtVerify(await db.encode({ i }, "jwt", purpose), set, options);
		await assertNothingElse(db, jwt, purpose);
	});

test("a JWK Set has what jose makes of each key, and nothing else", async () => {
	const purpose = newPurpose();
	const kids = [];
	for (const algorithm of [...ALGORITHMS, "HS256"])
		kids.push(await rotate(purpose, algorithm));
	const { keys, ...rest } = await jwks(purpose);
	assert.deepEqual(rest, {});
	assert.deepEqual(keys.map(({ kid }) => kid), kids.slice(0, 3));
	for (const [i, { kid, alg, use, ...jwk }] of keys.entries()) {
		assert.equal(alg, ALGORITHMS[i]);
		assert.equal(use, "sig");
		assert.deepEqual(await exportJWK(await importJWK(jwk, alg)), jwk);
		assert.deepEqual(Object.keys(jwk).sort(), { EC: ["crv", "kty", "x", "y"], OKP: ["crv", "kty", "x"], RSA: ["e", "kty", "n"] }[jwk.kty]);
		const kids = await importJwk({ keys: [jwk] }, `${purpose}-copy`, kid);
		assert.equal(kids.length, 1);
		// The members that RFC 7638 requires are stored: their thumbprint is
		// that of the key.
		const stored = (await db.rows("SELECT public_jwk FROM session.keys WHERE kid = $1", kids[0]))[0].public_jwk;
		assert.equal(await calculateJwkThumbprint(stored), await calculateJwkThumbprint(jwk));
	}
});

test("a new key is published before it signs: a service with an older JWK Set still verifies", async () => {
	const purpose = newPurpose();
	const first = await rotate(purpose, "ES256");
	const before = createLocalJWKSet(await jwks(purpose));
	const second = await rotate(purpose, "EdDSA");
	const after = createLocalJWKSet(await jwks(purpose));
	const jwt = await db.encode({ sub: "ada" }, "jwt", purpose);
	assert.equal(decodeProtectedHeader(jwt).kid, first);
	await jwtVerify(jwt, before);
	await jwtVerify(jwt, after);

	await db.rows("UPDATE session.keys SET activated_at = now() WHERE kid = $1", second);
	const next = await db.encode({ sub: "ada" }, "jwt", purpose);
	assert.equal(decodeProtectedHeader(next).kid, second);
	await jwtVerify(next, after);
	await jwtVerify(jwt, after);
	await assert.rejects(jwtVerify(next, before), { code: "ERR_JWKS_NO_MATCHING_KEY" });

	await db.retireKey(first);
	const last = createLocalJWKSet(await jwks(purpose));
	await assert.rejects(jwtVerify(jwt, last), { code: "ERR_JWKS_NO_MATCHING_KEY" });
	assert.equal(await db.decode(jwt, purpose), null);
});

test("jose reads the identity of a session through the JWK Set", async () => {
	const kid = await rotate("jwt", "ES256");
	const token = await db.value("(session_create('ada', tenant_id => 'acme', role => 'member')).token");
	const jwt = await db.value("session_jwt($1, audience => 'api', claims => $2)", token, JSON.stringify({ iss: "https://shop.example.com" }));
	const { payload, protectedHeader } = await jwtVerify(jwt, createLocalJWKSet(await db.value("session_jwks()")),
		{ issuer: "https://shop.example.com", audience: "api", subject: "ada" });
	assert.deepEqual(protectedHeader, { alg: "ES256", typ: "JWT", kid });
	assert.equal(payload.tid, "acme");
	assert.equal(payload.role, "member");
});

for (const alg of ALGORITHMS)
	test(`session accepts a JWT of an issuer that jose signed with ${alg}`, async () => {
		const purpose = newPurpose();
		const issuer = await newIssuer(alg, { kid: "key 1".replace(" ", "-"), use: "sig", alg });
		await importJwk({ keys: [issuer.jwk] }, purpose, ISSUER, AUDIENCE);
		for (const header of [{}, { typ: "JWT" }, { typ: "at+jwt" }, { typ: "application/at+jwt" }, { kid: undefined }, { cty: "x" }])
			for (const claims of [fresh(PAYLOAD), fresh(), fresh({ aud: ["account", AUDIENCE] }), fresh({ nbf: secondsNow() }), fresh({ exp: secondsNow() + 60.5 })]) {
				claims.sub = "ada";
				assert.deepEqual(await db.decode(await issuer.sign(claims, header), purpose), claims);
			}
		await assertNothingElse(db, await issuer.sign(fresh()), purpose);
	});

test("session accepts a JWT of an issuer exactly when jose does", async () => {
	const purpose = newPurpose();
	const issuer = await newIssuer("ES256", { kid: "a" });
	const other = await newIssuer("ES256", { kid: "a" });
	await importJwk({ keys: [issuer.jwk] }, purpose, ISSUER, AUDIENCE);
	const now = secondsNow();
	const set = createLocalJWKSet({ keys: [issuer.jwk] });
	const options = { issuer: ISSUER, audience: AUDIENCE, clockTolerance: 15, requiredClaims: ["exp"], algorithms: ["ES256"] };
	const good = [
		fresh(), fresh({ aud: [AUDIENCE] }), fresh({ aud: ["x", AUDIENCE, AUDIENCE] }),
		fresh({ iat: undefined }), fresh({ exp: now - 5 }), fresh({ nbf: now + 5 }), fresh({ nbf: 0 }),
	];
	const bad = [
		fresh({ iss: undefined }), fresh({ iss: null }), fresh({ iss: "" }), fresh({ iss: `${ISSUER}/` }),
		fresh({ iss: ISSUER.toUpperCase() }), fresh({ iss: [ISSUER] }), fresh({ iss: { "": ISSUER } }),
		fresh({ aud: undefined }), fresh({ aud: null }), fresh({ aud: "" }), fresh({ aud: [] }), fresh({ aud: "Shop" }),
		fresh({ aud: ["x"] }), fresh({ aud: [[AUDIENCE]] }), fresh({ aud: { [AUDIENCE]: AUDIENCE } }), fresh({ aud: `${AUDIENCE} x` }),
		fresh({ exp: undefined }), fresh({ exp: null }), fresh({ exp: now - 60 }), fresh({ exp: String(now + 60) }),
		fresh({ nbf: now + 60 }), fresh({ nbf: "0" }),
	];
	for (const [claims, expected] of [...good.map((c) => [c, true]), ...bad.map((c) => [c, false])]) {
		const jwt = await issuer.sign(claims);
		const there = await jwtVerify(jwt, set, options).then(() => true, () => false);
		assert.equal(there, expected, `jose: ${JSON.stringify(claims)}`);
		assert.equal(await db.decode(jwt, purpose) !== null, expected, JSON.stringify(claims));
	}
	assert.equal(await db.decode(await other.sign(fresh()), purpose), null);
	assert.equal(await db.decode(await issuer.sign(fresh(), { kid: "b" }), purpose), null);
	assert.equal(await db.decode(await issuer.sign(fresh(), { typ: "dpop+jwt" }), purpose), null);
	assert.equal(await db.decode(await issuer.sign(fresh(), { typ: "logout+jwt" }), purpose), null);
});

test("without an audience, session refuses tokens that have one", async () => {
	const purpose = newPurpose();
	const issuer = await newIssuer("EdDSA");
	await importJwk(issuer.jwk, purpose, ISSUER);
	for (const [aud, good] of [[undefined, true], [AUDIENCE, false], [[AUDIENCE], false], [[], false], ["", false], [null, false]])
		assert.equal(await db.decode(await issuer.sign(fresh({ aud })), purpose) !== null, good, JSON.stringify(aud));
});

test("session takes the algorithm of an issuer's token from the key", async () => {
	const purpose = newPurpose();
	const rsa = await newIssuer("RS256", { kid: "rsa" });
	const ec = await newIssuer("ES256", { kid: "ec" });
	await importJwk({ keys: [rsa.jwk, ec.jwk] }, purpose, ISSUER, AUDIENCE);
	const text = (header, claims) => [header, claims].map((part) => base64url.encode(JSON.stringify(part))).join(".");
	const mac = (header, secret) => {
		const input = text(header, fresh());
		return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
	};
	const good = await ec.sign(fresh());
	const [, body, signature] = good.split(".");
	const spki = rsa.publicKey.export ? rsa.publicKey.export({ type: "spki", format: "pem" }) : JSON.stringify(rsa.jwk);
	const refused = [
		new UnsecuredJWT(fresh()).encode(),
		...["none", "HS256"].map((alg) => `${base64url.encode(JSON.stringify({ alg, kid: "ec" }))}.${body}.${signature}`),
		`${base64url.encode('{"alg":"none","kid":"ec"}')}.${body}.`,
		...[spki, JSON.stringify(rsa.jwk), base64url.decode(rsa.jwk.n)].map((secret) => mac({ alg: "HS256", kid: "rsa" }, secret)),
		...[spki, JSON.stringify(rsa.jwk), base64url.decode(rsa.jwk.n)].map((secret) => mac({ alg: "RS256", kid: "rsa" }, secret)),
		await new SignJWT(fresh()).setProtectedHeader({ alg: "RS256", kid: "ec" }).sign(rsa.privateKey),
		await ec.sign(fresh(), { kid: "rsa" }),
	];
	for (const alg of ["RS384", "RS512", "PS256"]) {
		const key = await importJWK(await exportJWK(rsa.privateKey), alg);
		refused.push(await new SignJWT(fresh()).setProtectedHeader({ alg, kid: "rsa" }).sign(key));
	}
	for (const alg of ["ES384", "ES512"])
		refused.push(await (await newIssuer(alg)).sign(fresh()));
	assert.deepEqual(await db.accepted(refused, purpose), []);
	assert.deepEqual(await db.accepted([good, await rsa.sign(fresh())], purpose).then((all) => all.length), 2);
});

// Keys as Keycloak publishes them at /realms/REALM/protocol/openid-connect/certs:
// one for signatures and one for encryption, each with a certificate.
async function keycloak() {
	const more = (kid, use, alg) => ({ kid, use, alg, x5c: ["MIICmzCCAYMCBgGQ".padEnd(2400, "A")], x5t: "QXRkzmUwPSPRCYzHoDVFE0ZBbhs", "x5t#S256": "G6b1zsgpIYt0VBbQ0dXR3gdzhHEs8NmMJSa0Ur8dpVY" });
	const sig = await newIssuer("RS256", more("Yp0NbcMFSIxgVEzLxwNr6Q4XqcJHVgzW4i0Hrcy7oC4", "sig", "RS256"));
	const enc = await newIssuer("RS256", more("dP7NRpj5XG0PHtJoBvBmJ4tWm9nXWYFhZmN1uOYvEsc", "enc", "RSA-OAEP"));
	const ec = await newIssuer("ES256", { kid: "bsXqUo3G3o8rpcnKL2LgvQ", use: "sig", alg: "ES256" });
	return { sig, enc, ec, set: { keys: [enc.jwk, sig.jwk, ec.jwk] } };
}

test("session accepts the tokens of Keycloak, and replaces its key set", async () => {
	const purpose = newPurpose();
	const old = await keycloak();
	const kids = await importJwk(old.set, purpose, ISSUER, AUDIENCE);
	assert.equal(kids.length, 2);
	const claims = fresh({
		exp: secondsNow() + 300, jti: "onrtac:5e8a2d46-1b7c-4f8e-9a51-5d1f3c2b7a90", typ: "Bearer", azp: "shop", sid: "b0e5b7e2-6a55-4b57-8a2f-7a6b9e6b7a11",
		acr: "1", realm_access: { roles: ["user"] }, scope: "openid email", email_verified: true, preferred_username: "ada",
	});
	const before = await old.sig.sign(claims, { typ: "JWT" });
	assert.deepEqual(await db.decode(before, purpose), claims);
	assert.deepEqual(await db.decode(await old.ec.sign(claims, { typ: "JWT" }), purpose), claims);
	assert.equal(await db.decode(await old.enc.sign(claims, { typ: "JWT" }), purpose), null);

	// The provider rotates: the new key is beside the old one, then instead.
	const { sig: next } = await keycloak();
	next.jwk.kid = "new";
	const both = await importJwk({ keys: [next.jwk, ...old.set.keys] }, purpose, ISSUER, AUDIENCE);
	assert.deepEqual(both.slice(1), kids);
	const after = await next.sign(claims, { typ: "JWT", kid: "new" });
	assert.deepEqual(await db.accepted([before, after], purpose), [before, after]);
	assert.deepEqual(await importJwk({ keys: [next.jwk] }, purpose, ISSUER, AUDIENCE), [both[0]]);
	assert.deepEqual(await db.accepted([before, after], purpose), [after]);
});

test("session accepts the tokens of Auth0", async () => {
	const purpose = newPurpose();
	const issuer = "https://shop.eu.auth0.com/";
	// As at /.well-known/jwks.json: the current key and the next one.
	const make = (kid) => newIssuer("RS256", { use: "sig", alg: "RS256", kid, x5t: kid, x5c: ["MIIDDTCCAfWgAwIBAgIJ".padEnd(1100, "A")] });
	const current = await make("NkI0ODFEOTRBNDg3QzJBQjU5NjBCMzI3");
	const next = await make("RkFDNkQ5OEM5RUQzNDlFODA3MzBCNDk5");
	assert.equal((await importJwk({ keys: [current.jwk, next.jwk] }, purpose, issuer, "https://api.example.com")).length, 2);
	const claims = {
		iss: issuer, sub: "auth0|5f7c8ec7c33c6c004bbafe82", aud: ["https://api.example.com", "https://shop.eu.auth0.com/userinfo"],
		iat: secondsNow(), exp: secondsNow() + 86400, azp: "my_client_id", scope: "openid profile email",
	};
	for (const typ of ["JWT", "at+jwt"])
		assert.deepEqual(await db.decode(await current.sign(claims, { typ }), purpose), claims);
	assert.deepEqual(await db.decode(await next.sign(claims, { typ: "JWT" }), purpose), claims);
	assert.equal(await db.decode(await current.sign({ ...claims, aud: ["https://shop.eu.auth0.com/userinfo"] }), purpose), null);
});

test("several issuers serve one purpose, even with the same kid", async () => {
	const purpose = newPurpose();
	const issuers = await Promise.all(ALGORITHMS.map((alg) => newIssuer(alg, { kid: "1" })));
	for (const [i, issuer] of issuers.entries())
		await importJwk({ keys: [issuer.jwk] }, purpose, `https://${i}.example.com`, AUDIENCE);
	for (const [i, issuer] of issuers.entries())
		for (const j of issuers.keys()) {
			const jwt = await issuer.sign(fresh({ iss: `https://${j}.example.com` }));
			assert.equal(await db.decode(jwt, purpose) !== null, i === j);
		}
});

test("a private key or a secret is refused, and is not shown", async () => {
	const secrets = [];
	for (const alg of ALGORITHMS)
		secrets.push(await exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey));
	secrets.push({ kty: "oct", k: base64url.encode("a secret that must not be shown") });
	for (const jwk of secrets)
		for (const argument of [jwk, { keys: [jwk] }, { keys: [(await newIssuer("ES256")).jwk, jwk] }]) {
			const error = await importJwk(argument, "refused").then(() => assert.fail("accepted"), (e) => e);
			assert.equal(error.code, "22023");
			assert.equal(error.message, "jwk must not have a private key or a shared secret");
			for (const shown of [error.detail, error.hint, error.where])
				for (const secret of [jwk.d, jwk.k, jwk.p])
					assert.ok(!secret || !shown?.includes(secret));
		}
	assert.deepEqual(await db.rows("SELECT FROM session.keys WHERE purpose = 'refused'"), []);
});

for (const algorithm of ALGORITHMS)
	test(`an application with Auth.js, whose cookies are JWTs with ${algorithm}, shares its sessions with session`, async () => {
		const name = `authjs-${algorithm}`;
		await rotate(name, algorithm);
		const set = createLocalJWKSet(await jwks(name));
		const session = (cookie) => Auth(new Request("http://localhost/auth/session", { headers: { cookie } }), {
			basePath: "/auth", trustHost: true, secret: "x".repeat(32), providers: [],
			cookies: { sessionToken: { name, options: { httpOnly: true, path: "/", sameSite: "lax" } } },
			logger: { error() { }, warn() { }, debug() { } },
			jwt: {
				decode: async ({ token }) => (await jwtVerify(token, set, { algorithms: [algorithm] })).payload,
				encode: ({ token: { iat, exp, jti, ...claims } }) => db.encode(claims, "jwt", name),
			},
		});
		const jwt = await db.encode({ sub: "42", name: "Ada", email: "ada@example.com" }, "jwt", name);
		const response = await session(`${name}=${jwt}`);
		assert.deepEqual((await response.json()).user, { name: "Ada", email: "ada@example.com" });

		// Auth.js renews the cookie, which session signs.
		// Node.js 18 has the lines as one.
		const lines = response.headers.getSetCookie?.() ??
			response.headers.get("set-cookie").split(/, (?=[\w.-]+=)/);
		const renewed = lines.map((line) => line.split(";")[0].split("=")).find(([n]) => n === name)[1];
		assert.equal((await db.decode(renewed, name)).sub, "42");
		for (const bad of [jwt.slice(0, -4), await db.encode({ sub: "42", name: "Eve" }, "jwt", await other())])
			assert.equal(await (await session(`${name}=${bad}`)).json(), null);
	});

// Makes a purpose with another key.
async function other() {
	const purpose = newPurpose();
	await rotate(purpose, "ES256");
	return purpose;
}
