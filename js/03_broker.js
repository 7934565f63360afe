// The privileged part of Deno's API. Nothing is decided here: each call names
// the access that it needs and the broker, outside of this process, answers.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_access, op_conductor_access_sync } from "ext:core/ops";
const { ObjectPrototypeIsPrototypeOf, String, SymbolAsyncIterator, TypeError } = primordials;

const { URL, URLPrototype } = core.loadExtScript("ext:deno_web/00_url.js");
const { pathFromURL } = core.loadExtScript("ext:deno_web/00_infra.js");

function path(value) {
  if (ObjectPrototypeIsPrototypeOf(URLPrototype, value)) {
    return pathFromURL(value);
  }
  if (typeof value !== "string") {
    throw new TypeError(`Expected a string or a URL, got ${typeof value}`);
  }
  return value;
}

function asynchronous(api, access, target) {
  return async function (...args) {
    await op_conductor_access(access, target(args[0]), api);
  };
}

function synchronous(api, access, target) {
  return function (...args) {
    op_conductor_access_sync(access, target(args[0]), api);
  };
}

const READ = [
  "copyFile",
  "lstat",
  "open",
  "readFile",
  "readLink",
  "readTextFile",
  "realPath",
  "stat",
];
const WRITE = [
  "chmod",
  "create",
  "link",
  "mkdir",
  "remove",
  "rename",
  "symlink",
  "truncate",
  "utime",
  "writeFile",
  "writeTextFile",
];
// These choose their own path.
const MAKE_TEMP = ["makeTempDir", "makeTempFile"];
const nothing = () => undefined;

const files = {};
for (let i = 0; i < READ.length; i++) {
  const name = READ[i];
  files[name] = asynchronous(`Deno.${name}()`, "read", path);
  files[`${name}Sync`] = synchronous(`Deno.${name}Sync()`, "read", path);
}
for (let i = 0; i < WRITE.length; i++) {
  const name = WRITE[i];
  files[name] = asynchronous(`Deno.${name}()`, "write", path);
  files[`${name}Sync`] = synchronous(`Deno.${name}Sync()`, "write", path);
}

for (let i = 0; i < MAKE_TEMP.length; i++) {
  const name = MAKE_TEMP[i];
  files[name] = asynchronous(`Deno.${name}()`, "write", nothing);
  files[`${name}Sync`] = synchronous(`Deno.${name}Sync()`, "write", nothing);
}
files.readDirSync = synchronous("Deno.readDirSync()", "read", path);
files.readDir = function readDir(target) {
  const directory = path(target);
  return {
    async *[SymbolAsyncIterator]() {
      await op_conductor_access("read", directory, "Deno.readDir()");
    },
  };
};

class Command {
  #command;

  constructor(command, _options) {
    this.#command = path(command);
  }

  async output() {
    await op_conductor_access("run", this.#command, "Deno.Command().output()");
  }

  outputSync() {
    op_conductor_access_sync("run", this.#command, "Deno.Command().outputSync()");
  }

  spawn() {
    op_conductor_access_sync("run", this.#command, "Deno.Command().spawn()");
  }
}

const name = (value) => String(value);
const variable = (api) => synchronous(api, "env", name);
const env = {
  get: variable("Deno.env.get()"),
  has: variable("Deno.env.has()"),
  set: variable("Deno.env.set()"),
  delete: variable("Deno.env.delete()"),
  toObject: synchronous("Deno.env.toObject()", "env", nothing),
};

// The target of a net access is host:port, as in Deno's messages.
function host(input) {
  const url = new URL(input?.url ?? input);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`fetch does not support the scheme ${url.protocol}`);
  }
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return `${url.hostname}:${port}`;
}
const fetch = {
  async fetch(input, _init = undefined) {
    await op_conductor_access("net", host(input), "fetch()");
  },
}.fetch;

export { Command, env, fetch, files };
