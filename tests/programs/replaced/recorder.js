// What a program can learn by replacing what the platform's own scripts use.
//
// Every property of every built-in object is replaced, and whatever a
// replacement is handed is looked at: `this`, arguments, and what these lead to.
// What a program cannot come by without replacing anything is foreign.

// Everything that the sweep itself needs, taken before anything is replaced.
const { apply, construct, defineProperty, deleteProperty, getOwnPropertyDescriptor, getPrototypeOf,
  ownKeys, setPrototypeOf } = Reflect;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const textOf = uncurry(Function.prototype.toString);
const then = uncurry(Promise.prototype.then);
const has = uncurry(Set.prototype.has), add = uncurry(Set.prototype.add);
const weakHas = uncurry(WeakSet.prototype.has), weakAdd = uncurry(WeakSet.prototype.add);
const mapGet = uncurry(Map.prototype.get), mapSet = uncurry(Map.prototype.set);
const mapForEach = uncurry(Map.prototype.forEach), setForEach = uncurry(Set.prototype.forEach);
const matches = uncurry(RegExp.prototype.test);
const { isView } = ArrayBuffer, { isArray } = Array;
const { ReadableStream: Stream, setTimeout: later, clearTimeout: never, Promise: Later } = globalThis;

const isObject = (v) => typeof v === "object" && v !== null || typeof v === "function";
const isPromise = (v) => {
  try {
    then(v, noop, noop);
    return true;
  } catch {
    return false;
  }
};
function noop() {}

// Functions of the sweep that the platform is given, and so may hand back.
const own = new WeakSet();
const mine = (f) => (weakAdd(own, f), f);
mine(noop);

// 1. What can be reached without replacing anything.
const known = new Set();
const knownTexts = new Set();
const NATIVE = /^function \(\) \{ \[native code\] \}$/;

function learn(begin) {
  const queue = [begin];
  for (let i = 0; i < queue.length; i++) {
    const object = queue[i];
    if (!isObject(object) || has(known, object)) continue;
    add(known, object);
    if (typeof object === "function") add(knownTexts, textOf(object));
    queue.push(getPrototypeOf(object));
    if (object instanceof Map) object.forEach((value, key) => queue.push(value, key));
    if (object instanceof Set) {
      try { object.forEach((value) => queue.push(value)); } catch { /* a prototype */ }
    }
    if (isView(object)) continue;
    for (const key of ownKeys(object)) {
      const { value, get, set } = getOwnPropertyDescriptor(object, key);
      queue.push(key, value, get, set);
      if (!get) continue;
      try {
        const got = Reflect.get(object, key);
        if (got instanceof Promise) then(got, noop, noop);
        queue.push(got);
      } catch { /* wants another receiver */ }
    }
  }
}

// 2. What a replacement is handed.
const CORE = new RegExp("^(" + ["ops", "core", "primordials", "internals", "loadExtScript", "__bootstrap", "bootstrap",
  "__conductor", "registerErrorClass", "evalContext", "setUpAsyncStub", "uncurryThis", "SafeMap"].join("|") + ")$");
const OP = /^op_|^ext:/;
// What is of deno_core, and functions of the platform's scripts that no program comes by otherwise.
const leaks = new Map(), foreign = new Map();
const looked = new WeakSet();
let busy = 0, where = "";

function leak(what, how) {
  if (mapGet(leaks, what) === undefined) mapSet(leaks, what, `${how} in ${where}`);
}

// Looks at a value and at what it leads to, without running any of its code.
function look(value, how, depth = 0, state = false) {
  if (!isObject(value) || has(known, value) || weakHas(own, value) || weakHas(looked, value)) return;
  if (depth > MAX_DEPTH) return;
  weakAdd(looked, value);
  if (typeof value === "function") lookAtFunction(value, how, state);
  if (isPromise(value)) {
    then(value, mine((v) => quietly(() => look(v, how + " resolved", depth + 1))), mine((v) =>
      quietly(() => look(v, how + " rejected", depth + 1))));
  }
  if (isView(value)) return;
  const prototype = getPrototypeOf(value);
  // Whoever has an object of the platform can read its state, under its symbols.
  if (has(known, prototype) && !has(plain, prototype)) state = true;
  if (prototype !== null && !has(known, prototype)) {
    look(prototype, `${how}.__proto__`, depth + 1, state);
  }
  try {
    mapForEach(value, (v, k) => (look(k, how, depth + 1, state), look(v, how, depth + 1, state)));
  } catch { /* no Map */ }
  try {
    setForEach(value, (v) => look(v, how, depth + 1, state));
  } catch { /* no Set */ }
  const keys = ownKeys(value);
  for (let i = 0; i < keys.length && i < MAX_KEYS; i++) {
    const key = keys[i], name = String(key);
    if (typeof key === "string" && (matches(CORE, key) || matches(OP, key))) leak(`key ${name}`, how);
    const { value: item, get, set } = getOwnPropertyDescriptor(value, key);
    look(item, `${how}.${name}`, depth + 1, state);
    look(get, `${how}.get ${name}`, depth + 1, state);
    look(set, `${how}.set ${name}`, depth + 1, state);
  }
}
const MAX_DEPTH = 5, MAX_KEYS = 400;

// What holds nothing of the platform's but what the platform puts into it.
const plain = new Set([Object, Array, Function, Promise, Map, Set, WeakMap, WeakSet, async function () {}.constructor,
  function* () {}.constructor, async function* () {}.constructor].map((c) => c.prototype));

function lookAtFunction(value, how, state) {
  const name = getOwnPropertyDescriptor(value, "name")?.value;
  if (typeof name === "string" && matches(OP, name)) leak(name, how);
  const text = textOf(value);
  // Whoever has an object of the platform has its functions; V8's resolving functions are nobody's.
  if (state || has(knownTexts, text) || matches(NATIVE, text) && name === "") return;
  if (mapGet(foreign, text) === undefined) mapSet(foreign, text, [value, how]);
}

// The recorder's own work goes through whatever it has replaced.
function quietly(f) {
  busy++;
  try {
    return f();
  } finally {
    busy--;
  }
}

// 3. Replacements. Each does what the original does, unless `hostile` says otherwise.
const hits = new Map();
let hostile = null, spying = false;

function note(id, how, receiver, args) {
  quietly(() => {
    let at = mapGet(hits, id);
    if (at === undefined) mapSet(hits, id, at = new Set());
    add(at, where);
    look(receiver, `${how} this`);
    for (let i = 0; i < args.length; i++) look(args[i], `${how} argument ${i}`);
  });
}

function misbehave() {
  const { once, act } = hostile;
  if (once) hostile = null;
  return act();
}

const wrappers = new Map();
function wrapped(original, id) {
  if (typeof original !== "function" || weakHas(own, original)) return original;
  let wrapper = mapGet(wrappers, original);
  if (wrapper !== undefined) return wrapper;
  wrapper = new Proxy(original, mine({
    __proto__: null,
    apply(target, receiver, args) {
      if (busy) return apply(target, receiver, args);
      note(id, id, receiver, args);
      return hostile?.id === id ? misbehave() : apply(target, receiver, args);
    },
    construct(target, args, newTarget) {
      if (busy) return construct(target, args, newTarget === wrapper ? target : newTarget);
      note(id, `new ${id}`, newTarget, args);
      const given = target === Later ? quietly(() => [spied(args[0], id)]) : args;
      const made = construct(target, given, newTarget === wrapper ? target : newTarget);
      return quietly(() => spying && isArray(made) ? spiedArray(made, id) : made);
    },
  }));
  mapSet(wrappers, original, mine(wrapper));
  return wrapper;
}

// A promise's executor that sees what the promise is resolved with.
function spied(executor, id) {
  if (typeof executor !== "function") return executor;
  return mine((resolve, reject) =>
    executor(
      mine((v) => (busy || note(id, `resolve of ${id}`, undefined, [v]), resolve(v))),
      mine((v) => (busy || note(id, `reject of ${id}`, undefined, [v]), reject(v))),
    )
  );
}

// An array that sees what is put into it: the species of map(), filter() and others.
function spiedArray(array, id) {
  const proxy = new Proxy(array, mine({
    __proto__: null,
    defineProperty(target, key, descriptor) {
      if (!busy) note(id, `element of ${id}`, undefined, [descriptor.value]);
      return defineProperty(target, key, descriptor);
    },
  }));
  return mine(proxy);
}

// Replaces one property. Returns what undoes it.
function replace(object, key, id) {
  const before = getOwnPropertyDescriptor(object, key);
  // V8 looks for the number itself, and makes no stacks without it.
  if (before === undefined || key === "stackTraceLimit") return undefined;
  if (!before.configurable) {
    if (!before.writable || typeof before.value !== "function" || key === "prototype") return undefined;
    return define(object, key, { ...before, value: wrapped(before.value, id) }, before);
  }
  if (!("value" in before)) {
    const get = before.get && wrapped(before.get, `get ${id}`);
    const set = before.set && wrapped(before.set, `set ${id}`);
    return define(object, key, { ...before, get, set }, before);
  }
  let value = before.value;
  const get = mine(function () {
    if (busy) return value;
    note(id, `read of ${id}`, this, []);
    if (hostile?.id === id) return misbehave();
    return quietly(() => wrapped(value, id));
  });
  const set = mine(function (v) {
    if (!busy) note(id, `write of ${id}`, this, [v]);
    if (this === object) value = v;
    else defineProperty(this, key, { __proto__: null, value: v, writable: true, enumerable: true, configurable: true });
  });
  return define(object, key, {
    __proto__: null,
    get,
    set: before.writable ? set : undefined,
    enumerable: before.enumerable,
    configurable: true,
  }, before);
}

function define(object, key, now, before) {
  if (!defineProperty(object, key, now)) return undefined;
  return mine(() => {
    // What was replaced last comes back, whatever a scenario has made of it.
    deleteProperty(object, key);
    defineProperty(object, key, before);
  });
}

// A property that is nowhere: what is read or written by that name.
function trap(object, key, id) {
  if (key in object) return undefined;
  const get = mine(function () {
    if (busy) return undefined;
    note(id, `read of ${id}`, this, []);
    return hostile?.id === id ? misbehave() : undefined;
  });
  const set = mine(function (v) {
    if (!busy) note(id, `write of ${id}`, this, [v]);
    defineProperty(this, key, { __proto__: null, value: v, writable: true, enumerable: true, configurable: true });
  });
  defineProperty(object, key, { __proto__: null, get, set, enumerable: false, configurable: true });
  return () => deleteProperty(object, key);
}

// 4. Targets: prototypes, constructors and namespaces, with a name for each.
function targets() {
  const list = [];
  const seen = new Set();
  const put = (object, name) => {
    if (!isObject(object) || seen.has(object)) return;
    seen.add(object);
    list.push([object, name]);
  };
  const begin = [[globalThis, "globalThis"]];
  for (const [iterator, name] of [
    [[][Symbol.iterator](), "ArrayIterator"],
    [new Map().entries(), "MapIterator"],
    [new Set().values(), "SetIterator"],
    [""[Symbol.iterator](), "StringIterator"],
    ["".matchAll(/x/g), "RegExpStringIterator"],
    [function* () {}, "GeneratorFunction"],
    [function* () {}.prototype, "Generator"],
    [async function* () {}, "AsyncGeneratorFunction"],
    [async function* () {}.prototype, "AsyncGenerator"],
    [async function () {}, "AsyncFunction"],
    [new Headers().entries(), "HeadersIterator"],
    [new FormData().entries(), "FormDataIterator"],
    [new URLSearchParams().entries(), "URLSearchParamsIterator"],
    [new Stream().values(), "ReadableStreamAsyncIterator"],
    [[].values().map(noop), "IteratorHelper"],
    [new Intl.Segmenter().segment("").__proto__, "Segments"],
  ]) {
    for (let o = getPrototypeOf(iterator), i = 0; o && o !== Object.prototype && o !== Function.prototype; o = getPrototypeOf(o), i++) {
      begin.push([o, `%${name}${"^".repeat(i)}%`]);
    }
  }
  const queue = begin;
  while (queue.length) {
    const [object, name] = queue.shift();
    if (seen.has(object)) continue;
    put(object, name);
    for (const key of ownKeys(object)) {
      const { value } = getOwnPropertyDescriptor(object, key);
      const container = typeof key === "string" && typeof value === "object" && value !== null && (key === "prototype" || object === globalThis ||
        /^(Deno|Intl|WebAssembly|Temporal)/.test(name));
      const constructor = typeof value === "function" && key !== "constructor" && getOwnPropertyDescriptor(value, "prototype");
      if (container || constructor) queue.push([value, object === globalThis ? String(key) : `${name}.${String(key)}`]);
    }
  }
  return list;
}
