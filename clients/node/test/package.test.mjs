// The package: what its files say about it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const json = async (name) => JSON.parse(await readFile(new URL(name, import.meta.url), "utf8"));

test("the version follows the version of the extension", async () => {
	const { version } = await json("../package.json");
	assert.equal(version, (await json("../../../META.json")).version);
});
