// Errors of the broker as Node's scripts expect them: with `code` and `errno`. What is
// not granted keeps its class and its sentence, which names the grant.

import { core, primordials } from "ext:core/mod.js";
import { errors } from "ext:conductor/01_errors.js";
const {
  Error,
  ErrorPrototype,
  ObjectDefineProperty,
  ObjectPrototypeIsPrototypeOf,
  PromisePrototypeThen,
  ReflectApply,
  RegExpPrototypeExec,
  SafeRegExp,
} = primordials;

// As <errno.h> has it on Linux; libuv's numbers are negative.
const EPERM = 1;
const EACCES = 13;
const OS_ERROR = new SafeRegExp(/\(os error (\d+)\)/);

function set(error, name, value) {
  ObjectDefineProperty(error, name, {
    __proto__: null,
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

function coded(message, code, errno) {
  const error = new Error(message);
  set(error, "code", code);
  if (errno !== undefined) set(error, "errno", -errno);
  return error;
}

// An error of the broker, with what Node's have. `path` if it is about one.
function toNode(error, path) {
  if (!ObjectPrototypeIsPrototypeOf(ErrorPrototype, error)) return error;
  if (ObjectPrototypeIsPrototypeOf(core.NotCapable.prototype, error)) {
    set(error, "code", "EACCES");
    set(error, "errno", -EACCES);
    if (path !== undefined) set(error, "path", path);
    return error;
  }
  const number = RegExpPrototypeExec(OS_ERROR, error.message);
  if (number !== null) set(error, "errno", -number[1]);
  return error;
}

// A function whose errors are Node's, thrown or in its promise.
function throwing(function_) {
  return function (...args) {
    const path = typeof args[0] === "string" ? args[0] : undefined;
    try {
      return ReflectApply(function_, this, args);
    } catch (error) {
      throw toNode(error, path);
    }
  };
}

function rejecting(function_) {
  return function (...args) {
    const path = typeof args[0] === "string" ? args[0] : undefined;
    const failed = (error) => {
      throw toNode(error, path);
    };
    try {
      return PromisePrototypeThen(ReflectApply(function_, this, args), undefined, failed);
    } catch (error) {
      failed(error);
    }
  };
}

// What users of Node are used to fail for want of rights.
function notPermitted(message) {
  return coded(message, "EPERM", EPERM);
}

export { coded, errors, notPermitted, rejecting, throwing, toNode };
