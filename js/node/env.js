// process.env: an object of the program's own. It begins with the variables that
// allow-env grants, asked for at the first look at it: a package that only wants to know
// whether it runs in a test is not refused, it finds nothing.

import { primordials } from "ext:core/mod.js";
import { env } from "ext:conductor/07_env.js";
const { ObjectAssign, ObjectHasOwn, ObjectKeys, String } = primordials;

// What there was at the first look, and what there is.
let granted;
let known;
// Until a program is there, nobody may be asked.
let isOpen = false;
function open() {
  isOpen = true;
}

function variables() {
  if (!isOpen) return { __proto__: null };
  if (known === undefined) {
    granted = { __proto__: null };
    try {
      ObjectAssign(granted, env.toObject());
    } catch {
      // Nothing is granted.
    }
    known = ObjectAssign({ __proto__: null }, granted);
  }
  return known;
}

const environment = {
  __proto__: null,
  get: (name) => variables()[name],
  has: (name) => ObjectHasOwn(variables(), name),
  set(name, value) {
    variables()[name] = String(value);
  },
  delete(name) {
    delete variables()[name];
  },
  toObject: () => ({ ...variables() }),
};

// What a command that inherits the environment has to be given, as the broker knows nothing
// of this object: the variables that were set, or all of them if some were deleted
// (`clears`).
function changes() {
  const changed = { __proto__: null, clears: false, variables: { __proto__: null } };
  if (known === undefined) return changed;
  for (let i = 0, names = ObjectKeys(granted); i < names.length; i++) {
    if (!ObjectHasOwn(known, names[i])) changed.clears = true;
  }
  for (let i = 0, names = ObjectKeys(known); i < names.length; i++) {
    const name = names[i];
    if (changed.clears || known[name] !== granted[name]) changed.variables[name] = known[name];
  }
  return changed;
}

export { changes, environment, open };
