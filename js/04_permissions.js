// Deno.permissions over what the administrator granted. request() never
// prompts: what is not granted is denied.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_query } from "ext:core/ops";
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
  onchange = null;
  partial = false;

  constructor(state, token) {
    if (token !== key) throw new TypeError("Illegal constructor");
    super();
    this.#state = state;
  }

  get state() {
    return this.#state;
  }
}

function query(descriptor, denied) {
  const name = descriptor?.name;
  if (!ArrayPrototypeIncludes(NAMES, name)) {
    throw new TypeError(
      `The provided value "${String(name)}" is not a valid permission name`,
    );
  }
  const target = descriptor[TARGET[name]];
  const granted = op_conductor_query(
    name,
    target === undefined ? null : String(target),
  );
  return new PermissionStatus(granted ? "granted" : denied, key);
}

function both(denied) {
  const sync = (descriptor) => query(descriptor, denied);
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
