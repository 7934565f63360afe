// node:http and node:https, over the broker's fetch: what js/node/replace/_http_client.js
// takes.

import { core } from "ext:core/mod.js";
import { ops } from "ext:conductor_node/ops/table.js";
import { toNode } from "ext:conductor_node/ops/errors.js";

const { ReadableStream, resourceForReadableStream } = core.loadExtScript(
  "ext:deno_web/06_streams.js",
);
const { URL } = core.loadExtScript("ext:deno_web/00_url.js");

ops.conductorHttp = {
  __proto__: null,
  ReadableStream,
  resourceForReadableStream,
  send: ops.op_fetch_send,
  start: ops.op_fetch,
  toNode,
  URL,
};
