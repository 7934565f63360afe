// Deno's classes call each other's methods by symbols of their own. A program can
// list these (Object.getOwnPropertySymbols), and whatever it put in their place
// would be handed the functions and objects that the classes pass among
// themselves. So they stay as they are. No program has a use for them: what is
// meant for programs has a name, a well-known symbol or a registered one.

import { primordials } from "ext:core/mod.js";
const {
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ObjectGetPrototypeOf,
  ObjectHasOwn,
  ReflectOwnKeys,
  SafeSet,
  SetPrototypeAdd,
  SetPrototypeHas,
  Symbol,
  SymbolFor,
  SymbolKeyFor,
} = primordials;

const wellKnown = new SafeSet();
for (let keys = ReflectOwnKeys(Symbol), i = 0; i < keys.length; i++) {
  const { value } = ObjectGetOwnPropertyDescriptor(Symbol, keys[i]);
  if (typeof value === "symbol") SetPrototypeAdd(wellKnown, value);
}
// How Deno's own classes are printed; a program's are by "Deno.customInspect".
const PRINTED = SymbolFor("Deno.privateCustomInspect");

function isTheirs(key) {
  if (typeof key !== "symbol") return false;
  return key === PRINTED || SymbolKeyFor(key) === undefined && !SetPrototypeHas(wellKnown, key);
}

function lockSymbols(object) {
  const keys = ReflectOwnKeys(object);
  for (let i = 0; i < keys.length; i++) {
    if (!isTheirs(keys[i])) continue;
    const descriptor = ObjectGetOwnPropertyDescriptor(object, keys[i]);
    descriptor.__proto__ = null;
    descriptor.configurable = false;
    if (typeof descriptor.value === "function") descriptor.writable = false;
    ObjectDefineProperty(object, keys[i], descriptor);
  }
}

// The classes among the values of an object, with those that they extend.
function lockClasses(namespace) {
  const keys = ReflectOwnKeys(namespace);
  for (let i = 0; i < keys.length; i++) {
    const { value } = ObjectGetOwnPropertyDescriptor(namespace, keys[i]);
    let class_ = value;
    while (typeof class_ === "function" && ObjectHasOwn(class_, "prototype")) {
      lockSymbols(class_);
      if (class_.prototype) lockSymbols(class_.prototype);
      class_ = ObjectGetPrototypeOf(class_);
    }
  }
}

export { lockClasses, lockSymbols };
