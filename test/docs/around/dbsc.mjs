// An application with Express, and a browser with Device Bound Session
// Credentials, which logs in, binds its session, and renews its cookie.
import assert from "node:assert/strict";
import express from "express";
import { SignJWT, exportJWK, generateKeyPair } from "jose";
import pg from "pg";

const pool = new pg.Pool();
const app = express();
const checkPassword = async () => "ada";
BLOCK
const server = await new Promise((resolve) => { const s = app.listen(0, "127.0.0.1", () => resolve(s)); });
const { publicKey, privateKey } = await generateKeyPair("ES256");
const jar = new Map();
async function send(method, path, headers = {}, without = []) {
	const cookie = [...jar].filter(([name]) => !without.includes(name)).map((pair) => pair.join("=")).join("; ");
	const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { method, headers: { cookie, ...headers } });
	// Node.js 18 has the lines as one.
	const lines = response.headers.getSetCookie?.() ??
		(response.headers.get("set-cookie") ?? "").split(/, (?=[\w.-]+=)/).filter(Boolean);
	for (const line of lines)
		jar.set(...line.split(";")[0].split("="));
	return { status: response.status, headers: response.headers, body: await response.text() };
}
const sign = async (payload, header = {}) => `"${await new SignJWT(payload)
	.setProtectedHeader({ alg: "ES256", typ: "dbsc+jwt", ...header }).sign(privateKey)}"`;
const BOUND = "__Host-session-bound";

assert.equal((await send("GET", "/me")).status, 401);
const login = await send("POST", "/login");
assert.equal(login.status, 204);
assert.equal((await send("GET", "/me")).body, "ada");
const offer = Object.fromEntries([...login.headers.get("secure-session-registration").matchAll(/;(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
assert.equal((await send("POST", offer.path, { "secure-session-response": "x" })).status, 400);
const registered = await send("POST", offer.path, { "secure-session-response":
	await sign({ jti: offer.challenge, authorization: offer.authorization }, { jwk: await exportJWK(publicKey) }) });
assert.equal(registered.status, 200);
const { session_identifier: id, refresh_url: path } = JSON.parse(registered.body);
assert.equal((await send("GET", "/me")).body, "ada");
// For a moment the token alone is accepted. The superuser ends that.
assert.equal((await send("GET", "/me", {}, [BOUND])).body, "ada");
const superuser = new pg.Client({ user: "postgres" });
await superuser.connect();
await superuser.query("UPDATE session.sessions SET bound_at = bound_at - interval '1 hour' WHERE id = $1", [id]);
await superuser.end();
assert.equal((await send("GET", "/me", {}, [BOUND])).status, 401);

const about = { "sec-secure-session-id": `"${id}"` };
const first = await send("POST", path, about, [BOUND]);
assert.equal(first.status, 403);
const challenge = first.headers.get("secure-session-challenge").split('"')[1];
jar.delete(BOUND);
const renewed = await send("POST", path, { ...about, "secure-session-response": await sign({ jti: challenge }) });
assert.equal(renewed.status, 200);
assert.ok(renewed.headers.get("secure-session-challenge"));
assert.equal((await send("GET", "/me")).body, "ada");

// A login with this cookie and token goes on with the same session.
const again = await send("POST", "/login");
assert.ok(again.headers.get("secure-session-registration"));
assert.equal((await send("GET", "/me", {}, [BOUND])).body, "ada");
server.close();
server.closeAllConnections();
await pool.end();
