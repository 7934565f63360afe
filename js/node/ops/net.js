// node:net, tls, dns, dgram and http2: handles that can be made and cannot connect. What
// says so to a program is in js/node/offline.js.

import { primordials } from "ext:core/mod.js";
import { ops, refuse } from "ext:conductor_node/ops/table.js";
import { errors } from "ext:conductor_node/ops/errors.js";
const {
  ObjectDefineProperty,
  ObjectSetPrototypeOf,
  Proxy,
  ReflectGet,
  ReflectHas,
  RegExpPrototypeExec,
  SafeRegExp,
} = primordials;

const { HandleWrap } = ops;

// Methods of handles, by how their names begin. Nothing happens: 0 is success.
const METHOD = new SafeRegExp(
  /^(attach|bind|connect|consume|detach|dest|enable|export|fchmod|get|init|listen|load|new|on|open|pause|read|receive|release|remove|request|reset|resume|send|set|shutdown|start|stop|updateW|use|verify|wrap|write)[A-Z0-9_]?/,
);
const nothing = new Proxy(HandleWrap.prototype, {
  __proto__: null,
  get(target, key, receiver) {
    if (ReflectHas(target, key)) return ReflectGet(target, key, receiver);
    // A field, not a method.
    if (typeof key !== "string" || key === "reading" || key === "onread" || key === "onerror") {
      return undefined;
    }
    return RegExpPrototypeExec(METHOD, key) === null ? undefined : () => 0;
  },
});

function handle(name) {
  const Class = class extends HandleWrap {
    constructor() {
      super(0);
    }
  };
  ObjectDefineProperty(Class, "name", { __proto__: null, value: name });
  ObjectSetPrototypeOf(Class.prototype, nothing);
  ops[name] = Class;
  return Class;
}
handle("TCPWrap");
handle("PipeWrap");
handle("TLSWrap");
handle("UDPWrap");
handle("LibUvStreamWrap");
handle("Http2Session");
handle("Http2Stream");
handle("HTTPParser");
handle("ConnectionsList");
handle("StatWatcher");
handle("BaseHistogram");
handle("EldHistogram");
const TTY = handle("TTY");
TTY.isTTY = () => false;
ops.op_http2_http_state = () => ({});
// Where a server listens: where the program says, which offline.js refuses.
ops.op_http_serve_address_override = () => [0, "", 0, false];
ops.op_http_notify_serving = () => {};

// Names are looked up by the server, for the requests that it sends.
const NAMES = "Names cannot be looked up here: fetch() and node:http do it themselves";
function noNames(name) {
  ops[name] = async () => {
    throw new errors.NotCapable(NAMES);
  };
}
noNames("op_node_getaddrinfo");
noNames("op_node_getnameinfo");
noNames("op_dns_resolve");
ops.op_net_get_system_dns_servers = () => [];
ops.op_net_get_ips_from_perm_token = () => [];
ops.op_tls_canonicalize_ipv4_address = (address) => address;
ops.op_get_root_certificates = () => [];
ops.op_node_get_ca_certificates = () => [];
ops.op_set_default_ca_certificates = () => {};

const NO_UDP = "node:dgram: there are no UDP sockets here, use fetch() or node:http";
const udp = ["bind", "fd_for_ipc", "open", "recv", "send"];
for (let i = 0; i < udp.length; i++) refuse(`op_node_udp_${udp[i]}`, NO_UDP);
