// The Deno that scripts for node: see: the program's, with what programs have no use for.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_pid } from "ext:core/ops";
import { Deno } from "ext:conductor/09_deno.js";
import { environment } from "ext:conductor_node/env.js";
import { ops } from "ext:conductor_node/ops/table.js";
const { ObjectDefineProperties, ObjectGetOwnPropertyDescriptors } = primordials;

const get = (getter) => ({ __proto__: null, get: getter, enumerable: true, configurable: true });
const call = (name) => ({
  __proto__: null,
  value: () => ops[name](),
  enumerable: true,
  configurable: true,
  writable: true,
});

const nodeDeno = core.loadExtScript("ext:conductor_node/deno.js");
ObjectDefineProperties(nodeDeno, ObjectGetOwnPropertyDescriptors(Deno));
ObjectDefineProperties(nodeDeno, {
  cpuUsage: call("op_conductor_node_cpu_usage"),
  env: { __proto__: null, value: environment },
  execPath: call("op_exec_path"),
  // What a program exits with is told by its own Deno.
  exitCode: { __proto__: null, get: () => Deno.exitCode, set: (code) => Deno.exitCode = code },
  gid: call("op_gid"),
  hostname: call("op_hostname"),
  loadavg: call("op_loadavg"),
  mainModule: get(() => Deno.mainModule),
  memoryUsage: call("op_conductor_node_memory_usage"),
  networkInterfaces: call("op_network_interfaces"),
  osRelease: call("op_os_release"),
  osUptime: call("op_os_uptime"),
  pid: get(op_conductor_pid),
  ppid: get(() => 1),
  systemMemoryInfo: call("op_system_memory_info"),
  uid: call("op_uid"),
});
