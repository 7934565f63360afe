// node:net, tls, dns, dgram and http2: handles that can be made and cannot connect.

import "ext:conductor_node/ops/table.js";
