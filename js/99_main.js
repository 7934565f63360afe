// The end of the startup snapshot: the globals are in place, and one object of
// functions waits for the worker (src/engines/typescript/), which takes it and
// removes it, with everything of deno_core, before any program exists.

import "ext:conductor/00_detach.js";
import { core, primordials } from "ext:core/mod.js";
import { op_set_format_exception_callback } from "ext:core/ops";
import { parse } from "ext:conductor/02_json.js";
import { installWasmStreaming } from "ext:conductor/05_wasm.js";
import { installFactory, installMcp } from "ext:conductor/12_mcp.js";
import { Deno, directory, setVersions } from "ext:conductor/09_deno.js";
import { toJson } from "ext:conductor/10_value.js";
import { lockClasses, lockSymbols } from "ext:conductor/13_lock.js";
import {
  event,
  installGlobals,
  performance,
  userAgentVersion,
  Window,
} from "ext:conductor/11_globals.js";
const {
  ErrorPrototype,
  ObjectDefineProperty,
  ObjectKeys,
  ObjectPrototypeIsPrototypeOf,
  ObjectSetPrototypeOf,
  TypeError,
  Uint8Array,
  uncurryThis,
} = primordials;

const { inspectArgs, quoteString, setNoColorFns, getDefaultInspectOptions } = core
  .loadExtScript("ext:deno_web/01_console.js");

delete Intl.v8BreakIterator;
setNoColorFns(() => true, () => true);
installGlobals();
installMcp();
lockSymbols(globalThis);
lockClasses(globalThis);
lockClasses(Deno);

// A handler that calls preventDefault() keeps the run going, as in Deno.
core.setUnhandledPromiseRejectionHandler((promise, reason) => {
  const rejection = new event.PromiseRejectionEvent("unhandledrejection", {
    cancelable: true,
    promise,
    reason,
  });
  dispatchEvent(globalThis_, rejection);
  return rejection.defaultPrevented;
});
core.setHandledPromiseRejectionHandler((promise, reason) => {
  dispatchEvent(
    globalThis_,
    new event.PromiseRejectionEvent("rejectionhandled", { promise, reason }),
  );
});
core.setReportExceptionCallback(event.reportException);

const globalThis_ = globalThis;
const dispatchEvent = uncurryThis(event.EventTarget.prototype.dispatchEvent);

// Called once in each zygote, after the snapshot was loaded. `keepsTicks`: whether the
// queue of process.nextTick() is in use.
function start(versions, target, keepsTicks = false) {
  setVersions(versions, target);
  op_set_format_exception_callback(describe);
  installWasmStreaming();
  // Rust says in these two bytes that a rejection waits. deno_core's script would
  // then take it in an array that calls setters of Array.prototype while Rust's
  // list is borrowed; Rust itself hands it over at the end of each turn.
  if (!keepsTicks) core.__setTickInfo(new Uint8Array(2));
  userAgentVersion.value = versions.deno;
  ObjectSetPrototypeOf(globalThis, Window.prototype);
  // V8 installs its own after the snapshot, which swallows what a callback throws.
  const enqueue = globalThis.queueMicrotask;
  ObjectDefineProperty(
    globalThis,
    "queueMicrotask",
    core.propWritable(function queueMicrotask(callback) {
      if (typeof callback !== "function") {
        throw new TypeError("queueMicrotask takes a function");
      }
      enqueue(() => {
        try {
          callback();
        } catch (error) {
          event.reportException(error);
        }
      });
    }),
  );
  delete globalThis.__bootstrap;
  delete globalThis.bootstrap;
  delete globalThis.__conductor;
  ObjectDefineProperty(globalThis, "Deno", {
    __proto__: null,
    value: Deno,
    enumerable: false,
    configurable: true,
    writable: true,
  });
}

// Called once in each worker, when its program has arrived.
function prepare(workspacePath, globalsJson, hasServers, mainModule) {
  performance.setTimeOrigin();
  directory.path = workspacePath;
  Deno.mainModule = mainModule;
  if (hasServers) installFactory();
  const values = parse(globalsJson);
  const names = ObjectKeys(values);
  for (let i = 0; i < names.length; i++) {
    ObjectDefineProperty(globalThis, names[i], {
      __proto__: null,
      value: values[names[i]],
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
}

// What an uncaught value that is no Error looks like in an error message.
function describe(value) {
  if (
    core.isNativeError(value) || ObjectPrototypeIsPrototypeOf(ErrorPrototype, value)
  ) {
    return null;
  }
  const text = typeof value === "string"
    ? quoteString(value, getDefaultInspectOptions())
    : inspectArgs([value], { colors: false });
  return `Uncaught ${text}`;
}

globalThis.__conductor = { start, prepare, toJson };
