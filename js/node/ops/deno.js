// The `Deno` that Deno's scripts for node: see. It is not the program's, which may have
// changed that one: file functions fail as Node's do, and what would tell of the machine
// is a constant (js/node/ops/process.js).

import { primordials } from "ext:core/mod.js";
import { Deno as own } from "ext:conductor/09_deno.js";
import { notPermitted, rejecting, throwing } from "ext:conductor_node/ops/errors.js";
import { ops } from "ext:conductor_node/ops/table.js";
const { ObjectGetOwnPropertyDescriptor, ObjectDefineProperty, ReflectOwnKeys, String } =
  primordials;

const Deno = { __proto__: null };
for (let keys = ReflectOwnKeys(own), i = 0; i < keys.length; i++) {
  const descriptor = ObjectGetOwnPropertyDescriptor(own, keys[i]);
  descriptor.__proto__ = null;
  ObjectDefineProperty(Deno, keys[i], descriptor);
}

// Functions on paths, each with a form that ends in Sync.
const ON_PATHS = [
  "chmod",
  "copyFile",
  "link",
  "lstat",
  "mkdir",
  "readLink",
  "realPath",
  "remove",
  "rename",
  "stat",
  "symlink",
  "utime",
];
for (let i = 0; i < ON_PATHS.length; i++) {
  const name = ON_PATHS[i];
  Deno[name] = rejecting(own[name]);
  Deno[`${name}Sync`] = throwing(own[`${name}Sync`]);
}
Deno.readDirSync = throwing(own.readDirSync);

// Node takes the bits of the file's type for granted (fs-extra passes them).
const MODE = 0o777;
const { chmod, chmodSync } = Deno;
Deno.chmod = (path, mode) => chmod(path, mode & MODE);
Deno.chmodSync = (path, mode) => chmodSync(path, mode & MODE);

// graceful-fs and tar go on after EPERM.
const owner = (path) =>
  notPermitted(`EPERM: operation not permitted, chown '${String(path)}': ` +
    "the owner of a file cannot be changed here");
Deno.chown = async (path) => {
  throw owner(path);
};
Deno.chownSync = (path) => {
  throw owner(path);
};

// fs.access() asks the file's mode, and then this: whether the run may. F_OK is 0.
const W_OK = 2;
const R_OK = 4;
Deno.mayAccess = (path, mode) => {
  const granted = (name) => own.permissions.querySync({ __proto__: null, name, path }).state;
  return !((mode & W_OK) !== 0 && granted("write") !== "granted") &&
    !((mode & R_OK) !== 0 && granted("read") !== "granted");
};

ops.Deno = Deno;

export { Deno };
