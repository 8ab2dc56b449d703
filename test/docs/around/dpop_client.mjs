// A client whose session is bound to its key, and a server that asks the
// database about the proof.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { calculateJwkThumbprint, generateKeyPair } from "jose";
import pg from "pg";

const pool = new pg.Pool();
const { publicKey, privateKey } = await generateKeyPair("ES256");
const thumbprint = await calculateJwkThumbprint(await (await import("jose")).exportJWK(publicKey));
const { rows: [{ token }] } = await pool.query("SELECT token FROM session_login(NULL, 'ada', jkt => $1)", [thumbprint]);
BLOCK
const server = createServer(async (request, response) => {
	const { rows } = await pool.query("SELECT user_id FROM session_validate($1, proof => $2, method => $3, url => $4)",
		[request.headers.authorization.split(" ")[1], request.headers.dpop, request.method, `http://${request.headers.host}${request.url}`]);
	response.statusCode = rows[0]?.user_id === "ada" ? 200 : 401;
	response.end();
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}/me`;
assert.equal((await ask(url)).status, 200);
assert.equal((await ask(url, "POST")).status, 200);
server.close();
server.closeAllConnections();
await pool.end();
