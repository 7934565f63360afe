// What the runs of a conversation have in common: values by keys, and the tools that are found
// and loaded. The broker decides and keeps; without a conversation it says how to begin one.

import { primordials } from "ext:core/mod.js";
import { parse, stringify } from "ext:conductor/02_json.js";
import { call } from "ext:conductor/03_broker.js";
const { ObjectFreeze, String, TypeError } = primordials;

const session = (operation) => call({ __proto__: null, session: operation });
const tool = (operation) => call({ __proto__: null, tool: operation });

// A value is turned into text once: what is kept is what is found.
function toText(value) {
  const text = stringify(value);
  if (text === undefined) {
    throw new TypeError(
      `session.set() keeps JSON, and a value of type ${typeof value} is not: pass null, or an object of what you need`,
    );
  }
  return text;
}

const values = ObjectFreeze({
  async get(key) {
    const text = await session({
      __proto__: null,
      get: { __proto__: null, key: String(key) },
    });
    return text === null || text === undefined ? undefined : parse(text);
  },
  async set(key, value) {
    await session({
      __proto__: null,
      set: { __proto__: null, key: String(key), value: toText(value) },
    });
  },
  async delete(key) {
    return await session({
      __proto__: null,
      delete: { __proto__: null, key: String(key) },
    }) > 0;
  },
  async keys() {
    return parse(await session("keys"));
  },
});

async function findTools(query, limit) {
  return parse(
    await tool({
      __proto__: null,
      findTools: { __proto__: null, query: String(query ?? ""), limit: count(limit) },
    }),
  );
}

function count(limit) {
  if (limit === undefined || limit === null) return 10;
  if (typeof limit !== "number" || !(limit >= 1)) {
    throw new TypeError("The limit must be a number from 1");
  }
  return limit > 100 ? 100 : limit | 0;
}

async function loadToolSpec(name) {
  return parse(
    await tool({
      __proto__: null,
      loadToolSpec: { __proto__: null, name: String(name) },
    }),
  );
}

export { findTools, loadToolSpec, values };
