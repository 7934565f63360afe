// The Deno namespace that a program sees.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_exit, op_conductor_pid } from "ext:core/ops";
import { errors } from "ext:conductor/01_errors.js";
import { stderr, stdin, stdout } from "ext:conductor/02_io.js";
import { Command, env, files } from "ext:conductor/03_broker.js";
import {
  permissions,
  Permissions,
  PermissionStatus,
} from "ext:conductor/04_permissions.js";
const { ObjectAssign, ObjectFreeze, TypeError } = primordials;

const { inspect } = core.loadExtScript("ext:deno_web/01_console.js");
const { refTimer, unrefTimer } = core.loadExtScript("ext:deno_web/02_timers.js");

function exit(code = 0) {
  if (typeof code !== "number" || code !== (code | 0)) {
    throw new TypeError("Exit code should be an integer");
  }
  op_conductor_exit(code);
  // The op ended execution; V8 acts on it at the next loop back-edge.
  for (;;);
}

const SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH"];

// No signal ever reaches a program, so a listener is accepted and never called:
// programs that register a clean-up handler run unchanged.
function signalListener(signal, listener) {
  let known = false;
  for (let i = 0; i < SIGNALS.length; i++) known ||= SIGNALS[i] === signal;
  if (!known) throw new TypeError(`Invalid signal: ${signal}`);
  if (typeof listener !== "function") {
    throw new TypeError("Signal listener must be a function");
  }
}

const version = { deno: "", v8: "", typescript: "" };
const build = {
  target: "",
  arch: "",
  os: "",
  vendor: "",
  env: undefined,
  standalone: false,
};

function setVersions(versions, target) {
  ObjectFreeze(ObjectAssign(version, versions));
  core.setBuildInfo(target);
  ObjectFreeze(ObjectAssign(build, core.build));
}

const workspace = { path: "/" };

const Deno = {
  __proto__: null,
  args: ObjectFreeze([]),
  build,
  Command,
  cwd: () => workspace.path,
  env,
  errors,
  exit,
  exitCode: 0,
  inspect,
  mainModule: "file:///main.ts",
  noColor: true,
  permissions,
  Permissions,
  PermissionStatus,
  get pid() {
    return op_conductor_pid();
  },
  refTimer,
  addSignalListener: signalListener,
  removeSignalListener: signalListener,
  stderr,
  stdin,
  stdout,
  unrefTimer,
  version,
};
ObjectAssign(Deno, files);

export { Deno, setVersions, workspace };
