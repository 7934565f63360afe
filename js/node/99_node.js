// The end of the snapshot that has the node: built-ins: they become what programs and
// packages find, and the functions that the worker takes do their part for them.

import { core, internals, primordials } from "ext:core/mod.js";
import "ext:conductor_node/ops.js";
import { builtins } from "ext:conductor_node/builtins.js";
import { dispatchExit } from "ext:conductor_node/process.js";
import "ext:conductor_node/offline.js";
import { open as openEnvironment } from "ext:conductor_node/env.js";
import { binding, builtin, names, require, setBuiltins } from "ext:conductor_node/require.js";
import { lockClasses } from "ext:conductor/13_lock.js";
const {
  ArrayPrototype,
  ArrayPrototypePush,
  Error,
  ObjectDefineProperty,
  ObjectKeys,
  ObjectSetPrototypeOf,
  ReflectDeleteProperty,
  SymbolFor,
} = primordials;

setBuiltins(builtins);
for (let i = 0, all = names(); i < all.length; i++) {
  ArrayPrototypePush(builtin("module").builtinModules, all[i]);
}

const process = builtin("process");
const { Buffer } = builtin("buffer");
const { clearImmediate, setImmediate } = builtin("timers");
process.getBuiltinModule = builtin;
process.binding = binding;

const hidden = core.propNonEnumerable;
core.defineGlobalProperties(globalThis, {
  Buffer: hidden(Buffer),
  clearImmediate: hidden(clearImmediate),
  global: hidden(globalThis),
  process: hidden(process),
  require: hidden(require),
  setImmediate: hidden(setImmediate),
});
// How bundled CommonJS code asks for a built-in.
ObjectDefineProperty(globalThis, SymbolFor("mcp-conductor.require"), {
  __proto__: null,
  value: require,
  configurable: false,
  enumerable: false,
  writable: false,
});

for (let i = 0, all = ObjectKeys(builtins); i < all.length; i++) lockClasses(builtins[all[i]]);

// deno_core's queue of next ticks is a list that inherits from Array.prototype, whose
// accessors are handed it. It is caught as a program would catch it, and then made to
// inherit nothing. One that grows beyond 2048 ticks gets further lists, which inherit.
let ticks;
ObjectDefineProperty(ArrayPrototype, 0, {
  __proto__: null,
  get() {
    ticks ??= this;
  },
  set(value) {
    ticks ??= this;
    ObjectDefineProperty(this, 0, core.propWritable(value));
  },
  configurable: true,
});
try {
  core.queueNextTick({ __proto__: null, callback() {} });
} finally {
  ReflectDeleteProperty(ArrayPrototype, 0);
}
if (ticks === undefined) throw new Error("deno_core keeps next ticks in another way");
core.processTicksAndRejections();
ObjectSetPrototypeOf(ticks, null);

const { prepare, start, toJson } = globalThis.__conductor;

// In the zygote: no time, nothing random, no broker.
function startNode(versions, target) {
  start(versions, target, true);
  internals.__bootstrapNodeProcess("deno", [], versions, "", false, true);
}

// In the worker, when its program has arrived.
function prepareNode(workspacePath, globalsJson, hasServers, mainModule) {
  openEnvironment();
  // The program that warms the zygote up has ended; this one has not.
  process._exiting = false;
  prepare(workspacePath, globalsJson, hasServers, mainModule);
}

// In the worker, when the program has its value.
function endNode(value, maxBytes, maxDepth) {
  dispatchExit();
  return toJson(value, maxBytes, maxDepth);
}

globalThis.__conductor = { start: startNode, prepare: prepareNode, toJson: endNode };
