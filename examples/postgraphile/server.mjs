// A GraphQL API of notes, with PostGraphile 4, behind sessions in cookies.
//
//   npm install pg postgraphile@4
//   DATABASE_URL=postgresql://notes_app@/notes PORT=8080 node server.mjs
import { once } from "node:events";
import { createServer } from "node:http";
import pg from "pg";
import { makePluginHook, postgraphile } from "postgraphile";

// PostGraphile sets these settings in the transaction of each request.
export const pgSettings = (request) => ({
	"request.headers": JSON.stringify(request.headers),
	"request.method": request.method,
	"request.path": request.url,
});

// Calls session_pre_request(), which reads those settings, before the first
// query of the request. It raises PT401 if session.on_invalid is reject, and
// PT403 for a request that session.csrf refuses.
export const sessionPlugin = {
	withPostGraphileContext: (withContext) => (options, work) =>
		withContext(options, async (context) => {
			await context.pgClient.query("SELECT session_pre_request()").catch((error) => {
				throw Object.assign(error, { status: Number(error.code?.match(/^PT(\d{3})$/)?.[1] ?? 500) });
			});
			return work(context);
		}),
};

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
pool.on("error", console.error);

const graphql = postgraphile(pool, "api", {
	pgSettings,
	pluginHook: makePluginHook([sessionPlugin]),
	ignoreRBAC: false,
	disableQueryLog: true,
});

// A login is a separate request, not a mutation, because its answer has a
// cookie.
async function logIn(request, response) {
	let text = "";
	for await (const chunk of request.setEncoding("utf8"))
		if ((text += chunk).length > 10000)
			return response.writeHead(413).end();
	const { name, password } = JSON.parse(text);
	const { cookie, "user-agent": agent } = request.headers;
	// Behind a proxy: the header that it sets, request.headers["x-forwarded-for"].
	const address = request.socket.remoteAddress;
	const { rows } = await pool.query(
		"SELECT session_cookie_header(token) AS line FROM log_in($1, $2, $3, $4, $5) token WHERE token IS NOT NULL",
		[name, password, cookie, address, agent]);
	response.writeHead(rows.length ? 204 : 401, { "Set-Cookie": rows.map((row) => row.line) }).end();
}

const server = createServer((request, response) => {
	const { method, url } = request;
	if (`${method} ${url}` === "POST /login")
		logIn(request, response).catch(() => response.writeHead(400).end());
	else
		graphql(request, response);
}).listen(process.env.PORT ?? 0, "127.0.0.1");
await once(server, "listening");
console.log(`http://127.0.0.1:${server.address().port}`);
