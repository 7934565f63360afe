// Deno.env: the variables that the administrator granted. What a program sets
// stays in its run.

import { primordials } from "ext:core/mod.js";
import { callSync } from "ext:conductor/03_broker.js";
const { String, TypeError } = primordials;

function argument(value, name, api) {
  if (typeof value !== "string") {
    if (value === undefined) throw new TypeError(`${api}: ${name} is missing`);
    return String(value);
  }
  return value;
}

const environment = (operation) => callSync({ __proto__: null, environment: operation });
const variable = (name) => environment({ __proto__: null, get: { __proto__: null, name } });

const env = {
  get(name) {
    const key = argument(name, "the name", "Deno.env.get()");
    return variable(key) ?? undefined;
  },
  has(name) {
    const key = argument(name, "the name", "Deno.env.has()");
    return variable(key) !== null;
  },
  set(name, value) {
    environment({
      __proto__: null,
      set: {
        __proto__: null,
        name: argument(name, "the name", "Deno.env.set()"),
        value: argument(value, "the value", "Deno.env.set()"),
      },
    });
  },
  delete(name) {
    const key = argument(name, "the name", "Deno.env.delete()");
    environment({ __proto__: null, delete: { __proto__: null, name: key } });
  },
  toObject() {
    const pairs = environment("all");
    const variables = {};
    for (let i = 0; i < pairs.length; i++) variables[pairs[i][0]] = pairs[i][1];
    return variables;
  },
};

export { env };
