// node:child_process, over the broker's commands.

import "ext:conductor_node/ops/table.js";
