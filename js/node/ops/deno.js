// The `Deno` that Deno's scripts for node: see. It is not the program's, which may have
// changed that one: file functions fail as Node's do, and what would tell of the machine
// is a constant (js/node/ops/process.js).

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_pid } from "ext:core/ops";
import { Deno as own } from "ext:conductor/09_deno.js";
import { environment } from "ext:conductor_node/env.js";
import { notPermitted, rejecting, throwing } from "ext:conductor_node/ops/errors.js";
import { ops } from "ext:conductor_node/ops/table.js";
const {
  ObjectDefineProperties,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ReflectOwnKeys,
  String,
} = primordials;

// build.rs gives it to each script in the place of the global one.
const Deno = core.loadExtScript("ext:conductor_node/deno.js");
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

const get = (getter) => ({ __proto__: null, get: getter, enumerable: true, configurable: true });
const call = (name) => ({
  __proto__: null,
  value: () => ops[name](),
  enumerable: true,
  configurable: true,
  writable: true,
});
ObjectDefineProperties(Deno, {
  cpuUsage: call("op_conductor_node_cpu_usage"),
  env: { __proto__: null, value: environment },
  execPath: call("op_exec_path"),
  // What a program exits with is told by its own Deno.
  exitCode: { __proto__: null, get: () => own.exitCode, set: (code) => own.exitCode = code },
  gid: call("op_gid"),
  hostname: call("op_hostname"),
  loadavg: call("op_loadavg"),
  mainModule: get(() => own.mainModule),
  memoryUsage: call("op_conductor_node_memory_usage"),
  networkInterfaces: call("op_network_interfaces"),
  osRelease: call("op_os_release"),
  osUptime: call("op_os_uptime"),
  pid: get(op_conductor_pid),
  ppid: get(() => 1),
  systemMemoryInfo: call("op_system_memory_info"),
  uid: call("op_uid"),
});

ops.Deno = Deno;

export { Deno };
