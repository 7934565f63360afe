// Connections of a program's own: node:net, tls and http2 load, and fail as they connect
// or listen, in words that say what to use.

import { core, primordials } from "ext:core/mod.js";
import net from "node:net";
import dgram from "node:dgram";
const { Error, String } = primordials;

const { nextTick } = core.loadExtScript("ext:deno_node/_next_tick.ts");

function refusal(syscall, target, code, advice) {
  const error = new Error(
    `${syscall} ${code}${target}: programs have no sockets here, ${advice}`,
  );
  error.code = code;
  error.syscall = syscall;
  return error;
}

// (options, cb), (port, host, cb) or (path, cb), or a list of these.
function targetOf(first, second) {
  if (typeof first === "object" && first !== null) {
    const options = first[0] ?? first;
    const host = options.host ?? options.path ?? "localhost";
    return { host: String(host), port: options.port };
  }
  return { host: typeof second === "string" ? second : "localhost", port: first };
}

net.Socket.prototype.connect = function connect(first, second) {
  const { host, port } = targetOf(first, second);
  const target = ` ${host}${port === undefined ? "" : `:${String(port)}`}`;
  const error = refusal("connect", target, "ECONNREFUSED", "use fetch() or node:http");
  error.address = host;
  if (port !== undefined) error.port = +port;
  this.connecting = true;
  nextTick(() => {
    this.connecting = false;
    this.destroy(error);
  });
  return this;
};

net.Server.prototype.listen = function listen() {
  nextTick(() => {
    this.emit("error", refusal("listen", "", "EACCES", "and cannot listen for connections"));
  });
  return this;
};

dgram.Socket.prototype.bind = function bind() {
  nextTick(() => {
    this.emit("error", refusal("bind", "", "EACCES", "use fetch() or node:http"));
  });
  return this;
};
