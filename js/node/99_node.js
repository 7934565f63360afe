// The end of the snapshot that has the node: built-ins: they become what programs and
// packages find, and the functions that the worker takes do their part for them.

import { core, internals, primordials } from "ext:core/mod.js";
import "ext:conductor_node/ops.js";
import { builtins } from "ext:conductor_node/builtins.js";
import { builtin, names, require, setBuiltins } from "ext:conductor_node/require.js";
import { lockClasses } from "ext:conductor/13_lock.js";
const { ArrayPrototypePush, ObjectDefineProperty, ObjectKeys, SymbolFor } = primordials;

setBuiltins(builtins);
for (let i = 0, all = names(); i < all.length; i++) {
  ArrayPrototypePush(builtin("module").builtinModules, all[i]);
}

const process = builtin("process");
const { Buffer } = builtin("buffer");
const { clearImmediate, setImmediate } = builtin("timers");
process.getBuiltinModule = builtin;

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

const { start } = globalThis.__conductor;

// In the zygote: no time, nothing random, no broker.
globalThis.__conductor.start = (versions, target) => {
  start(versions, target);
  internals.__bootstrapNodeProcess("deno", [], versions, "", false, true);
};
