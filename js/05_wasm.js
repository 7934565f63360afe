// WebAssembly.compileStreaming() and instantiateStreaming(): what V8 leaves to
// its embedder, https://webassembly.github.io/spec/web-api/#streaming-modules.
// The bytes go to V8 when all of them are here.

import { core, primordials } from "ext:core/mod.js";
import { op_wasm_streaming_feed, op_wasm_streaming_set_url } from "ext:core/ops";
const {
  ObjectGetOwnPropertyDescriptor,
  StringPrototypeToLowerCase,
  TypeError,
  uncurryThis,
} = primordials;

const { Headers } = core.loadExtScript("ext:deno_fetch/20_headers.js");
const { ResponsePrototype } = core.loadExtScript("ext:deno_fetch/23_response.js");
const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");

const getter = (name) => uncurryThis(ObjectGetOwnPropertyDescriptor(ResponsePrototype, name).get);
const headersOf = getter("headers");
const isOk = getter("ok");
const statusOf = getter("status");
const urlOf = getter("url");
const bytesOf = uncurryThis(ResponsePrototype.bytes);
const getHeader = uncurryThis(Headers.prototype.get);

// The bytes of a response that may hold a module.
async function moduleOf(response) {
  const type = getHeader(headersOf(response), "Content-Type");
  if (type === null || StringPrototypeToLowerCase(type) !== "application/wasm") {
    throw new TypeError("Invalid WebAssembly content type");
  }
  if (!isOk(response)) {
    throw new TypeError(
      `Failed to receive WebAssembly content: HTTP status code ${statusOf(response)}`,
    );
  }
  return await bytesOf(response);
}

// V8's callback: `rid` takes the bytes, or the error.
async function stream(source, rid) {
  try {
    const response = webidl.converters["Response"](
      source,
      "Failed to execute 'WebAssembly.compileStreaming'",
      "Argument 1",
    );
    op_wasm_streaming_set_url(rid, urlOf(response));
    op_wasm_streaming_feed(rid, await moduleOf(response));
    core.close(rid);
  } catch (error) {
    core.abortWasmStreaming(rid, error);
  }
}

// V8's engine has the callback, not its heap: to be called in each process.
function installWasmStreaming() {
  core.setWasmStreamingCallback(stream);
}

export { installWasmStreaming };
