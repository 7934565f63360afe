// Every op that Deno's scripts for node: call, before any of them is loaded.

import "ext:conductor_node/ops/table.js";
import "ext:conductor_node/ops/base.js";
import "ext:conductor_node/ops/deno.js";
import "ext:conductor_node/ops/fs.js";
import "ext:conductor_node/ops/http.js";
import "ext:conductor_node/ops/io.js";
import "ext:conductor_node/ops/process.js";
import "ext:conductor_node/ops/command.js";
import "ext:conductor_node/ops/zlib.js";
import "ext:conductor_node/ops/net.js";
import "ext:conductor_node/ops/vm.js";
import { ops, refuse } from "ext:conductor_node/ops/table.js";
import { taken } from "ext:conductor_node/taken.js";

// What Deno's scripts name and nothing here serves.
for (let i = 0; i < taken.length; i++) {
  if (ops[taken[i]] === undefined) {
    refuse(taken[i], `This function of Node's is not available here (${taken[i]})`);
  }
}
