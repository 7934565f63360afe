// process.env: an object of the program's own. It begins with the variables that
// allow-env grants, asked for at the first look at it: a package that only wants to know
// whether it runs in a test is not refused, it finds nothing.

import { primordials } from "ext:core/mod.js";
import { env } from "ext:conductor/07_env.js";
const { ObjectAssign, ObjectHasOwn, String } = primordials;

let known;
// Until a program is there, nobody may be asked.
let isOpen = false;
function open() {
  isOpen = true;
}

function variables() {
  if (!isOpen) return { __proto__: null };
  if (known === undefined) {
    known = { __proto__: null };
    try {
      ObjectAssign(known, env.toObject());
    } catch {
      // Nothing is granted.
    }
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

export { environment, open };
