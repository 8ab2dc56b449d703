// What has changed in the data of a session, key by key, so that requests that
// run at the same time keep each other's changes.
"use strict";

const { isDeepStrictEqual } = require("node:util");

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isEmpty = (object) => Object.keys(object).length === 0;

// An object without a prototype: the key "__proto__" is a key like any other.
const bare = (entries) => {
	const object = Object.create(null);
	for (const [key, value] of entries)
		object[key] = value;
	return object;
};

// A merge patch (RFC 7396) cannot set a JSON null. It sets arrays as a whole,
// so nulls in them do not matter.
const hasNull = (value) => value === null || (isObject(value) && Object.values(value).some(hasNull));

const changed = (before, after) => Object.keys(after).filter((key) =>
	!Object.hasOwn(before, key) || !isDeepStrictEqual(before[key], after[key]));

function mergePatch(before, after) {
	const removed = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
	return bare([
		...removed.map((key) => [key, null]),
		...changed(before, after).map((key) => [key,
			isObject(before[key]) && isObject(after[key]) ? mergePatch(before[key], after[key]) : after[key]]),
	]);
}

// Returns how to get from one value of the data to another: a merge patch, and
// the keys that need session_data_set because a JSON null is in their value.
// NULL stands for nothing to do.
function changes(before, after) {
	const withNull = changed(before, after).filter((key) => hasNull(after[key]));
	const rest = bare(Object.entries(after).filter(([key]) => !withNull.includes(key)));
	const known = bare(Object.entries(before).filter(([key]) => !withNull.includes(key)));
	const patch = mergePatch(known, rest);
	return {
		patch: isEmpty(patch) ? null : patch,
		set: withNull.length === 0 ? null : bare(withNull.map((key) => [key, after[key]])),
	};
}

// The JSON value of an object: what the database stores of it. An error names
// the key that has none.
function plain(object) {
	try {
		return JSON.parse(JSON.stringify(object));
	} catch (error) {
		const key = Object.keys(object).find((name) => !isJson(object[name]));
		throw new TypeError(`the key ${JSON.stringify(key)} of the data has no JSON value: ${error.message}`,
			{ cause: error });
	}
}

function isJson(value) {
	try {
		JSON.stringify(value);
		return true;
	} catch {
		return false;
	}
}

module.exports = { bare, changes, isEmpty, isObject, plain };
