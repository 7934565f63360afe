// What node:os and node:process tell: constants that say nothing of the machine.

import "ext:conductor_node/ops/table.js";
