// node:child_process, over the broker's commands: what js/node/replace/internal/ takes,
// which is a script of Deno's kind and cannot import.

import { changes } from "ext:conductor_node/env.js";
import { ops, refuse } from "ext:conductor_node/ops/table.js";
import { rejecting, throwing, toNode } from "ext:conductor_node/ops/errors.js";

ops.conductorCommand = {
  __proto__: null,
  toNode,
  changes,
  spawn: throwing(ops.op_spawn_child),
  output: throwing(ops.op_spawn_sync),
  wait: rejecting(ops.op_spawn_wait),
  kill: ops.op_spawn_kill,
};

// fork() translates its arguments first.
refuse(
  "op_node_translate_cli_args",
  "A channel to a child process (fork, ipc) is not available here: programs are one process. " +
    "Exchange text on stdin and stdout of spawn()",
);
