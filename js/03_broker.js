// Privileged operations. Nothing is decided here: each call names what it needs
// and the broker, outside of this process, decides and acts. An operation is the
// name of its capability with the name of the operation in it, as the files in
// src/protocol/operation have them, fields included.

import { core, primordials } from "ext:core/mod.js";
import {
  op_conductor_call,
  op_conductor_call_sync,
  op_conductor_place,
} from "ext:core/ops";
import { errors } from "ext:conductor/01_errors.js";
const { ObjectPrototypeIsPrototypeOf, ReflectApply, String } = primordials;

const { URLPrototype } = core.loadExtScript("ext:deno_web/00_url.js");
const { pathFromURL } = core.loadExtScript("ext:deno_web/00_infra.js");

// The program's place is taken now: the broker may refuse later, when nothing
// of the program is on the stack any more.
function call(operation) {
  op_conductor_place();
  return op_conductor_call(operation);
}

function callSync(operation) {
  op_conductor_place();
  return op_conductor_call_sync(operation);
}

function path(value) {
  return ObjectPrototypeIsPrototypeOf(URLPrototype, value) ? pathFromURL(value) : String(value);
}

// The ops that the scripts of Deno's crates call, under Deno's names.
const ops = core.loadExtScript("ext:conductor/00_ops.js");

// An op in both forms, Deno's names of which end in _sync and _async.
function pair(name, operation) {
  ops[`${name}_sync`] = (...args) => callSync(ReflectApply(operation, undefined, args));
  ops[`${name}_async`] = (...args) => call(ReflectApply(operation, undefined, args));
}

// What has no place here, with the reason.
function unsupported(name, message) {
  ops[name] = () => {
    throw new errors.NotSupported(message);
  };
}

export { call, callSync, ops, pair, path, unsupported };
