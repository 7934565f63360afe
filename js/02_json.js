// JSON of others, whose integers can have more digits than a number of JavaScript
// keeps. Such an integer is the text of its digits, which nothing rounds, and goes out
// again as an integer where one is wanted (src/catalog/integers.rs).

import { primordials } from "ext:core/mod.js";
const {
  BigIntPrototypeToString,
  JSONParse,
  JSONRawJSON,
  JSONStringify,
  NumberIsFinite,
  RegExpPrototypeExec,
  String,
  StringPrototypePadEnd,
} = primordials;

// What stands before a number that may not survive, and its first digits: 2^53 has 16,
// and 1e309 is infinite. Most texts have none, and are read without a second look.
const LONG = /[\s:,[-](?:[0-9]{16}|[0-9.]{1,30}[eE]\+?[0-9]{3})/;
const INTEGER = /^-?[0-9]+$/;
const EXPONENT = /^(-?)([0-9])(?:\.([0-9]+))?e\+([0-9]+)$/;
const OBJECT_OR_LIST = /^[ \t\n\r]*[[{]/;

// The digits of an integer, which JavaScript writes with an exponent from 1e21.
function digitsOf(number) {
  const text = String(number);
  const found = RegExpPrototypeExec(EXPONENT, text);
  if (found === null) return text;
  return found[1] + StringPrototypePadEnd(found[2] + (found[3] ?? ""), +found[4] + 1, "0");
}

function survives(source, number) {
  if (!NumberIsFinite(number)) return false;
  return RegExpPrototypeExec(INTEGER, source) === null || digitsOf(number) === source;
}

function isLost(value, context) {
  return typeof value === "number" && !survives(context.source, value);
}

function parse(text) {
  if (RegExpPrototypeExec(LONG, text) === null) return JSONParse(text);
  return JSONParse(text, (_key, value, context) => isLost(value, context) ? context.source : value);
}

// What a text says, if it is an object or a list that loses nothing: else the text.
function parseText(text) {
  if (RegExpPrototypeExec(OBJECT_OR_LIST, text) === null) return text;
  let loses = false;
  try {
    if (RegExpPrototypeExec(LONG, text) === null) return JSONParse(text);
    const value = JSONParse(text, (_key, value, context) => {
      loses ||= isLost(value, context);
      return value;
    });
    return loses ? text : value;
  } catch {
    return text;
  }
}

// Integers that JSON of others is read with; a longer one goes out as text.
const SMALLEST = -(2n ** 63n);
const LARGEST = 2n ** 64n - 1n;

function integer(_key, value) {
  if (typeof value !== "bigint") return value;
  const digits = BigIntPrototypeToString(value);
  return value >= SMALLEST && value <= LARGEST ? JSONRawJSON(digits) : digits;
}

// As JSON.stringify, with a BigInt as an integer.
function stringify(value) {
  return JSONStringify(value, integer);
}

export { parse, parseText, stringify };
