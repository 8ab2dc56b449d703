// The patch of lib/changes.js, applied as the database applies it.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

const { changes, plain } = createRequire(import.meta.url)("../lib/changes.js");
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

// RFC 7396, section 2.
function merged(target, patch) {
	if (!isObject(patch))
		return patch;
	const result = isObject(target) ? { ...target } : {};
	for (const key of Object.keys(patch))
		if (patch[key] === null)
			delete result[key];
		else
			Object.defineProperty(result, key, { value: merged(result[key], patch[key]),
				enumerable: true, configurable: true, writable: true });
	return result;
}

function applied(before, after) {
	const { patch, set } = changes(before, after);
	return { ...merged(before, patch ?? {}), ...set };
}

const VALUES = [{}, { a: 1 }, { a: null }, { a: [1, null] }, { a: [{ b: null }] }, { a: { b: 1, c: 2 } },
	{ a: { b: 1 } }, { a: { b: null } }, { a: { b: { c: null } } }, { a: {} }, { a: { b: {} } }, { a: "" },
	{ a: false, b: 0 }, { a: { b: [] }, c: { d: null } }, JSON.parse('{"__proto__": {"a": 1}}'),
	JSON.parse('{"a": {"__proto__": {"b": 1}}}'), { constructor: { prototype: 1 } }, { hasOwnProperty: 1 }];

test("a patch leads from each value to each other", () => {
	for (const before of VALUES)
		for (const after of VALUES)
			assert.equal(JSON.stringify(applied(before, after)), JSON.stringify(after));
});

test("there is no patch between equal values", () => {
	for (const value of VALUES)
		assert.deepEqual(changes(value, plain(value)), { patch: null, set: null });
});

test("a patch has only what has changed", () => {
	const { patch, set } = changes({ cart: { tea: 1, salt: 2 }, theme: "dark", old: 1 },
		{ cart: { tea: 2, salt: 2 }, theme: "dark", step: null });
	assert.deepEqual(plain(patch), { old: null, cart: { tea: 2 } });
	assert.deepEqual(plain(set), { step: null });
});

test("the key __proto__ changes no prototype", () => {
	changes({}, JSON.parse('{"__proto__": {"polluted": 1}, "a": {"__proto__": {"polluted": 1}}}'));
	assert.equal({}.polluted, undefined);
});
