// What deno_core's own scripts look up where a program could have put something.
//
// Deno's scripts take what they use from `primordials`, before any program
// exists. deno_core's look up a few things as they run:
//   - an asynchronous op is called with the `call` that its function inherits, which
//     is handed the op as `this` and `core` as an argument;
//   - tables inherit from Object.prototype and Array.prototype, whose accessors
//     are handed the table.
// None of these can be had by name. So each is caught here as a program would
// catch it, and then made to inherit nothing.

import { core, internals, primordials } from "ext:core/mod.js";
const {
  ArrayPrototype,
  Error,
  FunctionPrototype,
  FunctionPrototypeToString,
  Int32Array,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ObjectPrototype,
  ObjectSetPrototypeOf,
  ReflectDeleteProperty,
  ReflectOwnKeys,
  StringPrototypeStartsWith,
} = primordials;

// The object that `use` looks `key` up on and does not have, so that a prototype
// is asked.
function caught(prototype, key, use) {
  let found;
  ObjectDefineProperty(prototype, key, {
    __proto__: null,
    get() {
      found ??= this;
    },
    set(value) {
      found ??= this;
      ObjectDefineProperty(this, key, core.propWritable(value));
    },
    configurable: true,
  });
  try {
    use();
  } finally {
    ReflectDeleteProperty(prototype, key);
  }
  if (found === undefined) throw new Error(`deno_core looks up ${key} in another way`);
  return found;
}

const NOWHERE = "\0";

// 00_infra.js: how errors of ops are made.
const builders = caught(ObjectPrototype, NOWHERE, () => core.buildCustomError(NOWHERE, ""));
ObjectSetPrototypeOf(builders, null);
// 01_core.js: what can be transferred.
const transferable = caught(
  ObjectPrototype,
  NOWHERE,
  () => core.getTransferableResource(NOWHERE),
);
ObjectSetPrototypeOf(transferable, null);
ObjectSetPrototypeOf(internals, null);

// 02_timers.js: the heap of lists of timers, one list for each delay. Delays that
// no timer has are never waited for, so nothing is scheduled for these two.
const timer = (delay) => ({
  __proto__: null,
  _idleTimeout: delay,
  _idlePrev: null,
  _idleNext: null,
  _destroyed: true,
});
core.refreshTimer(timer(NaN));
// The heap was made with room for one list.
const heap = caught(ArrayPrototype, 2, () => core.refreshTimer(timer(Infinity)));
ObjectSetPrototypeOf(heap, null);
// Both lists go again. Rust brings its own counter when it starts a runtime.
core.__setTimerInfo(new Int32Array(1));
core.__processTimers(0);
core.__processTimers(Infinity);

// 00_infra.js: the stubs of asynchronous ops.
const { call } = FunctionPrototype;

const isStub = (value) =>
  typeof value === "function" &&
  StringPrototypeStartsWith(FunctionPrototypeToString(value), "function async_op_");

// Gives the op behind a stub a `call` of its own.
function bind(stub) {
  let op;
  FunctionPrototype.call = function () {
    op = this;
    // Any value says that the op is done: nothing has begun.
    return 0;
  };
  try {
    stub();
  } finally {
    FunctionPrototype.call = call;
  }
  if (op === undefined) throw new Error(`deno_core calls ${stub.name} in another way`);
  ObjectDefineProperty(op, "call", { __proto__: null, value: call });
}

let stubs = 0;
function bindAll(holder) {
  const keys = ReflectOwnKeys(holder);
  for (let i = 0; i < keys.length; i++) {
    const { value } = ObjectGetOwnPropertyDescriptor(holder, keys[i]);
    if (isStub(value)) {
      bind(value);
      stubs++;
    } else if (holder === core.ops && value.prototype) {
      // A class whose objects are Rust's; its asynchronous methods are ops too.
      bindAll(value.prototype);
    }
  }
}
bindAll(core.ops);
if (stubs === 0) throw new Error("deno_core has stubs of another kind");
