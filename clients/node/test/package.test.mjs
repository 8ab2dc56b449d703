// The package: what its files say about it, and its types.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import ts from "typescript";

const require = createRequire(import.meta.url);
const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const text = (name) => readFile(path(name), "utf8");
const json = async (name) => JSON.parse(await text(name));

test("the version follows the version of the extension", async () => {
	const { version } = await json("../package.json");
	assert.equal(version, (await json("../../../META.json")).version);
	assert.match(await text("../CHANGELOG.md"), new RegExp(`^## ${version.replace(/\.0$/, "")}\\b`, "m"));
});

test("the package needs no other package", async () => {
	const { dependencies, peerDependencies } = await json("../package.json");
	assert.deepEqual([dependencies, peerDependencies], [undefined, undefined]);
});

test("import and require give the same", async () => {
	assert.deepEqual({ ...await import("pg-session-client") }, require("pg-session-client"));
	assert.equal((await import("pg-session-client/store")).default, require("pg-session-client/store"));
});

test("the store finds pg where npm has linked the folder of this package", async () => {
	const folder = await mkdtemp(join(tmpdir(), "session-node-"));
	try {
		await mkdir(join(folder, "client"));
		for (const name of ["lib", "index.js", "store.js", "package.json"])
			await cp(path(`../${name}`), join(folder, "client", name), { recursive: true });
		const run = (program, cwd) => promisify(execFile)(process.execPath, ["-e", program], { cwd });
		const program = (client) => `new (require("${client}/store")({ Store: class {} }))(
			{ conObject: { host: "none" } }).close()`;
		await assert.rejects(run(program("pg-session-client"), join(folder, "client")),
			/pass the option "pool", or install the package pg/);
		await mkdir(join(folder, "app/node_modules"), { recursive: true });
		await symlink(join(folder, "client"), join(folder, "app/node_modules/pg-session-client"));
		await symlink(path("../node_modules/pg"), join(folder, "app/node_modules/pg"));
		await run(program("pg-session-client"), join(folder, "app"));
	} finally {
		await rm(folder, { recursive: true });
	}
});

test("the types are those of the applications in test/types", () => {
	const options = { module: ts.ModuleKind.Node16, target: ts.ScriptTarget.ES2022, strict: true,
		noEmit: true, esModuleInterop: true, skipLibCheck: true, types: ["node"], lib: ["lib.es2022.d.ts"] };
	let program;
	// The types of Express with this client's sessions, and with those of
	// express-session, exclude each other.
	for (const files of [["express.ts", "express.cts"], ["store.ts", "store.cts"]]) {
		program = ts.createProgram(files.map((file) => path(`types/${file}`)), options, undefined, program);
		assert.equal(ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), {
			getCanonicalFileName: (name) => name, getCurrentDirectory: () => path("."), getNewLine: () => "\n" }), "");
	}
});

test("the types name what the package exports", async () => {
	const types = await text("../index.d.ts");
	const exported = [...types.matchAll(/^export (?:class|function) (\w+)/gm)].map(([, name]) => name);
	assert.deepEqual(exported.sort(), Object.keys(require("pg-session-client")).sort());
	const session = types.match(/export class Session \{(.*?)\n\}/s)[1];
	const members = new Set([...session.matchAll(/^\t(?:readonly )?(\w+)[(<:]/gm)].map(([, name]) => name));
	const real = Object.getOwnPropertyNames(require("pg-session-client").Session.prototype);
	assert.deepEqual([...members].sort(), real.filter((name) => name !== "constructor").sort());
});
