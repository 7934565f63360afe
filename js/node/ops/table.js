// The table that Deno's scripts for node: take their ops from, and what every file
// beside this one needs to fill it. It is the table of js/00_ops.js: what Rust
// implements is in it already.

import { primordials } from "ext:core/mod.js";
import { errors } from "ext:conductor/01_errors.js";
import { call, callSync, ops, pair, path } from "ext:conductor/03_broker.js";
const { ObjectDefineProperty } = primordials;

// The error of what is not available here, with the reason and what to use instead.
function unavailable(message) {
  const error = new errors.NotSupported(message);
  ObjectDefineProperty(error, "code", {
    __proto__: null,
    value: "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM",
    configurable: true,
    enumerable: true,
    writable: true,
  });
  return error;
}

// An op that is not available here.
function refuse(name, message) {
  ops[name] = () => {
    throw unavailable(message);
  };
}

export { call, callSync, errors, ops, pair, path, refuse, unavailable };
