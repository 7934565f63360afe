// Deno.permissions over what the administrator granted. request() never
// prompts: what is not granted is denied.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_call_sync } from "ext:core/ops";
import { path } from "ext:conductor/03_broker.js";
const { ArrayPrototypeIncludes, PromiseReject, PromiseResolve, String, Symbol, TypeError } =
  primordials;

const { EventTarget } = core.loadExtScript("ext:deno_web/02_event.js");

const NAMES = ["read", "write", "net", "env", "sys", "run", "ffi", "import"];
const TARGET = {
  __proto__: null,
  read: "path",
  write: "path",
  ffi: "path",
  net: "host",
  import: "host",
  env: "variable",
  sys: "kind",
  run: "command",
};
const key = Symbol("illegal constructor");

class PermissionStatus extends EventTarget {
  #state;
  #partial;
  onchange = null;

  constructor(state, partial, token) {
    if (token !== key) throw new TypeError("Illegal constructor");
    super();
    this.#state = state;
    this.#partial = partial;
  }

  get state() {
    return this.#state;
  }

  get partial() {
    return this.#partial;
  }
}

// A deny rule makes the state "denied", a grant that is missing what `missing`
// says.
function query(descriptor, missing) {
  const name = descriptor?.name;
  if (!ArrayPrototypeIncludes(NAMES, name)) {
    throw new TypeError(
      `The provided value "${String(name)}" is not a valid permission name`,
    );
  }
  const field = TARGET[name];
  const value = descriptor[field];
  const target = value === undefined || value === null
    ? undefined
    : field === "host"
    ? String(value)
    : path(value);
  const { granted, denied, partial } = op_conductor_call_sync({
    __proto__: null,
    permission: { __proto__: null, query: { __proto__: null, name, target } },
  });
  const state = granted ? "granted" : denied ? "denied" : missing;
  return new PermissionStatus(state, partial, key);
}

function both(missing) {
  const sync = (descriptor) => query(descriptor, missing);
  const promise = (descriptor) => {
    try {
      return PromiseResolve(sync(descriptor));
    } catch (error) {
      return PromiseReject(error);
    }
  };
  return { sync, promise };
}

const asked = both("prompt");
const requested = both("denied");

class Permissions {
  constructor(token) {
    if (token !== key) throw new TypeError("Illegal constructor");
  }
  query(descriptor) {
    return asked.promise(descriptor);
  }
  querySync(descriptor) {
    return asked.sync(descriptor);
  }
  request(descriptor) {
    return requested.promise(descriptor);
  }
  requestSync(descriptor) {
    return requested.sync(descriptor);
  }
  revoke(descriptor) {
    return asked.promise(descriptor);
  }
  revokeSync(descriptor) {
    return asked.sync(descriptor);
  }
}

const permissions = new Permissions(key);

export { permissions, Permissions, PermissionStatus };
