// What node:os and node:process tell: constants that say nothing of the machine, and what
// a program may know anyhow.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_cpus, op_conductor_exit, op_conductor_heap } from "ext:core/ops";
import { Deno } from "ext:conductor_node/ops/deno.js";
import { coded, notPermitted } from "ext:conductor_node/ops/errors.js";
import { ops, refuse } from "ext:conductor_node/ops/table.js";
const { ArrayPrototypePush, Float64Array, MathTrunc } = primordials;

const { performance } = core.loadExtScript("ext:deno_web/15_performance.js");

// The user that has nothing (Linux, overflowuid).
const NOBODY = 65534;
const EXECUTABLE = "/usr/bin/node";
const HOME = "/";

// ---- The machine

ops.op_exec_path = () => EXECUTABLE;
ops.op_hostname = () => "localhost";
ops.op_homedir = () => HOME;
ops.op_os_release = () => "6.1.0";
ops.op_os_uptime = () => MathTrunc(performance.now() / 1000);
ops.op_loadavg = () => [0, 0, 0];
ops.op_network_interfaces = () => [];
ops.op_cpus = () => {
  const list = [];
  const count = op_conductor_cpus();
  for (let i = 0; i < count; i++) {
    ArrayPrototypePush(list, {
      model: "cpu",
      speed: 0,
      times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 },
    });
  }
  return list;
};

// The heap of V8: used, its size, its limit, and what is outside of it.
function heap() {
  const numbers = new Float64Array(4);
  op_conductor_heap(numbers);
  return { used: numbers[0], total: numbers[1], limit: numbers[2], external: numbers[3] };
}
ops.op_system_memory_info = () => {
  const { limit, used } = heap();
  const free = limit - used;
  return {
    total: limit,
    free,
    available: free,
    buffers: 0,
    cached: 0,
    swapTotal: 0,
    swapFree: 0,
  };
};
ops.op_node_process_constrained_memory = () => heap().limit;

// ---- Users

ops.op_uid = ops.op_gid = ops.op_geteuid = ops.op_getegid = () => NOBODY;
ops.op_getgroups = () => [];
ops.op_node_os_user_info = () => ({
  uid: NOBODY,
  gid: NOBODY,
  username: "nobody",
  homedir: HOME,
  shell: null,
});
ops.op_node_os_get_priority = () => 0;
function notOurs(name) {
  ops[name] = () => {
    throw notPermitted("EPERM: operation not permitted: the server decides who runs a program");
  };
}
notOurs("op_node_os_set_priority");
notOurs("op_node_process_setegid");
notOurs("op_node_process_seteuid");
notOurs("op_node_process_setgid");
notOurs("op_node_process_setuid");

// ---- The process

let exitCode = 0;
ops.op_get_exit_code = () => exitCode;
ops.op_set_exit_code = (code) => {
  exitCode = code;
};
ops.op_exit = () => {
  op_conductor_exit(exitCode);
  for (;;);
};
ops.op_process_abort = () => {
  // As a shell tells of SIGABRT.
  op_conductor_exit(134);
  for (;;);
};
ops.op_node_process_set_title = () => {};
ops.op_node_process_kill = (pid, signal) => {
  if (signal === 0 && pid === Deno.pid) return 0;
  throw notPermitted("EPERM: operation not permitted: a program has no processes to signal, " +
    "but those that it started (ChildProcess.kill)");
};
// In microseconds, of which a program only sees differences: what it took is not told.
const microseconds = () => MathTrunc(performance.now() * 1000);
ops.op_current_thread_cpu_usage = (values) => {
  values[0] = microseconds();
  values[1] = 0;
};
ops.op_node_process_resource_usage = (values) => {
  for (let i = 0; i < values.length; i++) values[i] = 0;
  values[0] = microseconds();
};
ops.op_node_load_env_file = (path) => {
  const variables = ops.op_node_parse_env(Deno.readTextFileSync(path));
  for (const name in variables) Deno.env.has(name) || Deno.env.set(name, variables[name]);
};
ops.op_stream_base_register_state = () => {};
ops.op_bootstrap_color_depth = () => 1;
ops.op_get_env_no_permission_check = () => undefined;
ops.op_bootstrap_unstable_args = () => [];

ops.op_inspector_enabled = () => false;
ops.op_inspector_port = () => undefined;
ops.op_inspector_close = () => {};
ops.op_inspector_emit_protocol_event = () => {};
refuse("op_inspector_open", "node:inspector: a program cannot be inspected here");
refuse("op_inspector_wait", "node:inspector: a program cannot be inspected here");

// ---- As js/node/ops/deno.js asks for it

ops.op_conductor_node_memory_usage = () => {
  const { used, total, external } = heap();
  return { rss: total + external, heapTotal: total, heapUsed: used, external };
};
ops.op_conductor_node_cpu_usage = () => ({ user: microseconds(), system: 0 });
Deno.cwd = () => ops.op_fs_cwd();
Deno.watchFs = () => {
  throw coded(
    "fs.watch() is not available here: look at fs.stat().mtime",
    "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM",
  );
};
