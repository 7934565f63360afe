// The Deno namespace that a program sees.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_exit, op_conductor_pid } from "ext:core/ops";
import { errors } from "ext:conductor/01_errors.js";
import { stderr, stdin, stdout } from "ext:conductor/02_io.js";
import { directory, files } from "ext:conductor/04_files.js";
import { ChildProcess, Command } from "ext:conductor/06_command.js";
import { env } from "ext:conductor/07_env.js";
import {
  permissions,
  Permissions,
  PermissionStatus,
} from "ext:conductor/08_permissions.js";
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

// What of Deno is not here, and what to use instead.
const ABSENT = {
  __proto__: null,
  connect: "use fetch()",
  connectTls: "use fetch()",
  startTls: "use fetch()",
  listen: "programs cannot listen for connections",
  listenTls: "programs cannot listen for connections",
  listenDatagram: "programs cannot listen for connections",
  serve: "programs cannot listen for connections",
  upgradeWebSocket: "programs cannot listen for connections",
  resolveDns: "fetch() resolves names itself",
  createHttpClient: "fetch() has one client, the server's",
  watchFs: "look at Deno.stat().mtime",
  kill: "use kill() of the process that Deno.Command started",
  dlopen: "native code cannot be loaded",
  openKv: "write files to the workspace",
};
const absent = {};
for (const name in ABSENT) {
  absent[name] = () => {
    throw new TypeError(`Deno.${name}() is not available here: ${ABSENT[name]}`);
  };
}

const Deno = {
  __proto__: null,
  args: ObjectFreeze([]),
  build,
  ChildProcess,
  Command,
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
ObjectAssign(Deno, absent, files);

export { Deno, directory, setVersions };
