// Deno.errors: the classes that ops and the broker name in their replies.
// Names as in https://docs.deno.com/api/deno/~/Deno.errors.

import { core, primordials } from "ext:core/mod.js";
const { Error, ObjectDefineProperty } = primordials;
const { BadResource, Interrupted, NotCapable } = core;

const { DOMException, QuotaExceededError } = core.loadExtScript(
  "ext:deno_web/01_dom_exception.js",
);

function errorClass(name) {
  const ErrorClass = class extends Error {
    constructor(message, options) {
      super(message, options);
      this.name = name;
    }
  };
  ObjectDefineProperty(ErrorClass, "name", { __proto__: null, value: name });
  core.registerErrorClass(name, ErrorClass);
  return ErrorClass;
}

const errors = {
  NotFound: errorClass("NotFound"),
  PermissionDenied: errorClass("PermissionDenied"),
  ConnectionRefused: errorClass("ConnectionRefused"),
  ConnectionReset: errorClass("ConnectionReset"),
  ConnectionAborted: errorClass("ConnectionAborted"),
  NotConnected: errorClass("NotConnected"),
  AddrInUse: errorClass("AddrInUse"),
  AddrNotAvailable: errorClass("AddrNotAvailable"),
  BrokenPipe: errorClass("BrokenPipe"),
  AlreadyExists: errorClass("AlreadyExists"),
  InvalidData: errorClass("InvalidData"),
  TimedOut: errorClass("TimedOut"),
  Interrupted,
  WriteZero: errorClass("WriteZero"),
  WouldBlock: errorClass("WouldBlock"),
  UnexpectedEof: errorClass("UnexpectedEof"),
  BadResource,
  Http: errorClass("Http"),
  Busy: errorClass("Busy"),
  NotSupported: errorClass("NotSupported"),
  FilesystemLoop: errorClass("FilesystemLoop"),
  IsADirectory: errorClass("IsADirectory"),
  NetworkUnreachable: errorClass("NetworkUnreachable"),
  NotADirectory: errorClass("NotADirectory"),
  NotCapable,
};

// The ops of deno_web and deno_crypto raise these by name.
const domExceptions = [
  "OperationError",
  "NotSupportedError",
  "NetworkError",
  "AbortError",
  "InvalidCharacterError",
  "DataError",
  "InvalidStateError",
  "SyntaxError",
  "IndexSizeError",
  "TypeMismatchError",
  "InvalidAccessError",
];
for (let i = 0; i < domExceptions.length; i++) {
  const name = domExceptions[i];
  core.registerErrorBuilder(
    `DOMException${name}`,
    (message) => new DOMException(message, name),
  );
}
core.registerErrorBuilder(
  "DOMExceptionQuotaExceededError",
  (message) => new QuotaExceededError(message),
);

export { errors };
