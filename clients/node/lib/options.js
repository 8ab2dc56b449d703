// What the programmer passes: an option that does not exist, or of a wrong type,
// is a TypeError that names it. NULL and undefined stand for an option that is
// left out.
"use strict";

const { isObject } = require("./changes.js");

const an = (test, text) => ({ test, text });
const typed = (...types) => (value) => types.includes(typeof value);

const TYPES = {
	any: an(() => true),
	boolean: an(typed("boolean"), "true or false"),
	count: an((value) => Number.isInteger(value) && value >= 0, "an integer, and not negative"),
	function: an(typed("function"), "a function"),
	id: an((value) => typed("string", "bigint")(value) || Number.isSafeInteger(value),
		"a string, a bigint or an integer that JavaScript keeps exactly"),
	integer: an(Number.isInteger, "an integer"),
	interval: an(typed("string"), 'an interval of PostgreSQL, such as "30 days"'),
	object: an(isObject, "an object"),
	sameSite: an((value) => /^(lax|strict|none)$/i.test(value), '"lax", "strict" or "none"'),
	seconds: an((value) => typed("number")(value) && value > 0, "a number of seconds above 0"),
	string: an(typed("string"), "a string"),
	strings: an((value) => Array.isArray(value) && value.every(typed("string")), "an array of strings"),
};

// What a value is, without its content, which can be a secret.
function kindOf(value) {
	if (value === null || value === undefined || Number.isNaN(value))
		return String(value);
	if (Array.isArray(value))
		return "an array";
	return isObject(value) ? "an object" : `a ${typeof value}`;
}

// Errors unless an argument has a type.
function checkArgument(what, value, type) {
	const { test, text } = TYPES[type];
	if (!test(value))
		throw new TypeError(`${what} must be ${text}, not ${kindOf(value)}`);
}

// Errors unless each option exists and has its type. known has the types by
// name.
function checkOptions(what, options, known) {
	checkArgument(`the options of ${what}`, options, "object");
	for (const [name, value] of Object.entries(options)) {
		if (!Object.hasOwn(known, name))
			throw new TypeError(`${what} has no option "${name}": it has ${Object.keys(known).join(", ")}`);
		if (value !== undefined && value !== null)
			checkArgument(`the option "${name}" of ${what}`, value, known[name]);
	}
}

// Errors if a function that takes no arguments gets some, such as a callback,
// which it would never call.
function checkNoArguments(what, values) {
	if (values.length > 0)
		throw new TypeError(`${what} takes no arguments, and returns a promise`);
}

module.exports = { checkArgument, checkNoArguments, checkOptions };
