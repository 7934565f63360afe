// node:zlib: the classes and functions around the ops of snapshots/node/zlib.rs.

import "ext:conductor_node/ops/table.js";
