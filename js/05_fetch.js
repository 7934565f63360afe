// fetch, Request, Response and EventSource: the scripts of deno_fetch, with ops
// that ask the broker for each request. Redirects are followed by the script, so
// that every hop is decided anew.

import { core, internals } from "ext:core/mod.js";
import {
  op_conductor_fetch,
  op_conductor_fetch_send,
  op_conductor_place,
} from "ext:core/ops";
import { ops } from "ext:conductor/03_broker.js";

// deno_fetch reports to deno_telemetry; what a program does is in the audit log.
internals.__telemetry = {
  TRACING_ENABLED: false,
  PROPAGATORS: [],
  ContextManager: { active: () => undefined },
  DID_NOT_ENTER: {},
  builtinTracer: () => undefined,
  enterSpan: () => undefined,
  exitSpan: () => undefined,
};
internals.__telemetryUtil = {
  updateSpanFromClientResponse: () => undefined,
  updateSpanFromError: () => undefined,
  updateSpanFromRequest: () => undefined,
};

// A client of the program's own (Deno.createHttpClient) does not exist, and the
// property is not read from what a program may have polluted.
ops.op_fetch = (method, url, headers, _client, _hasBody, body, stream) => {
  op_conductor_place();
  return op_conductor_fetch(method, url, headers, body, stream);
};
ops.op_fetch_send = op_conductor_fetch_send;

const { fetch } = core.loadExtScript("ext:deno_fetch/26_fetch.js");
const { Request } = core.loadExtScript("ext:deno_fetch/23_request.js");
const { Response } = core.loadExtScript("ext:deno_fetch/23_response.js");
const { EventSource } = core.loadExtScript("ext:deno_fetch/27_eventsource.js");

export { EventSource, fetch, Request, Response };
