// Files: the ops of node:fs, over the broker's operations on files.

import "ext:conductor_node/ops/table.js";
