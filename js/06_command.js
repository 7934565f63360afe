// Deno.Command: the script of deno_process, with ops that ask the broker.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_call_sync } from "ext:core/ops";
import { call, callSync, ops } from "ext:conductor/03_broker.js";
const { ArrayPrototypeIncludes, ArrayPrototypeMap, String, TypeError } = primordials;

const STDIO = ["piped", "null", "inherit"];

function stdio(name, value) {
  if (!ArrayPrototypeIncludes(STDIO, value)) {
    throw new TypeError(`${name} must be "piped", "inherit" or "null", not ${String(value)}`);
  }
  return value;
}

function options(given) {
  if (given.uid !== undefined || given.gid !== undefined) {
    throw new TypeError("A command runs as the server's user: uid and gid cannot be set");
  }
  return {
    __proto__: null,
    command: String(given.cmd),
    args: given.args,
    cwd: given.cwd === undefined ? undefined : String(given.cwd),
    clearEnv: !!given.clearEnv,
    env: ArrayPrototypeMap(given.env, ({ 0: name, 1: value }) => [name, String(value)]),
    stdin: stdio("stdin", given.stdin),
    stdout: stdio("stdout", given.stdout),
    stderr: stdio("stderr", given.stderr),
  };
}

const command = (operation) => ({ __proto__: null, command: operation });

ops.op_spawn_child = (given) => callSync(command({ __proto__: null, spawn: options(given) }));
ops.op_spawn_sync = (given) => {
  if (given.input !== undefined) {
    throw new TypeError("Input is not supported for this function, use spawn() instead");
  }
  return callSync(command({ __proto__: null, output: options(given) }));
};
ops.op_spawn_wait = (handle) =>
  call(command({ __proto__: null, wait: { __proto__: null, handle } }));
ops.op_spawn_kill = (handle, signal) =>
  op_conductor_call_sync(command({
    __proto__: null,
    kill: { __proto__: null, handle, signal: String(signal) },
  }));
// A run waits for its commands as for everything else.
ops.op_spawn_child_ref = () => undefined;
ops.op_spawn_child_unref = () => undefined;

const { ChildProcess, Command } = core.loadExtScript("ext:deno_process/40_process.js");

export { ChildProcess, Command };
