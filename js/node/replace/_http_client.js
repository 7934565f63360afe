// The client of node:http and node:https, over the broker's fetch, so that its policy and
// its audit log hold for every request. In the place of Deno's script, which writes HTTP
// to a socket.
//
// Redirects are the package's to follow, as in Node. A response that is compressed comes
// decoded, without the header that says so. Agents have no connections: the server does.

import { core, primordials } from "ext:core/mod.js";
const {
  ArrayIsArray,
  ArrayPrototypeJoin,
  ArrayPrototypePush,
  Error,
  ObjectAssign,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ObjectKeys,
  ObjectPrototypeIsPrototypeOf,
  Promise,
  PromisePrototypeThen,
  RegExpPrototypeExec,
  SafeRegExp,
  String,
  StringPrototypeIncludes,
  StringPrototypeLastIndexOf,
  StringPrototypeSlice,
  StringPrototypeStartsWith,
  StringPrototypeToLowerCase,
  StringPrototypeToUpperCase,
  Symbol,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeSlice,
  TypedArrayPrototypeSubarray,
  Uint8Array,
} = primordials;

import net from "node:net";
import { Writable } from "node:stream";
import { IncomingMessage } from "node:_http_incoming";
import { OutgoingMessage } from "node:_http_outgoing";
import httpAgent from "node:_http_agent";
import { _checkIsHttpToken as checkIsHttpToken } from "node:_http_common";
const { conductorHttp: broker } = core.loadExtScript("ext:conductor/00_ops.js");
const { Buffer } = core.loadExtScript("ext:deno_node/internal/buffer.mjs");
const { kEmptyObject } = core.loadExtScript("ext:deno_node/internal/util.mjs");
const { kOutHeaders } = core.loadExtScript("ext:deno_node/internal/http.ts");
const { nextTick } = core.loadExtScript("ext:deno_node/_next_tick.ts");
const { urlToHttpOptions } = core.loadExtScript("ext:deno_node/internal/url.ts");
const {
  AbortError,
  connResetException,
  ERR_INVALID_ARG_TYPE,
  ERR_INVALID_HTTP_TOKEN,
  ERR_INVALID_PROTOCOL,
  ERR_INVALID_URL,
  ERR_UNESCAPED_CHARACTERS,
} = core.loadExtScript("ext:deno_node/internal/errors.ts");
const { validateAbortSignal } = core.loadExtScript("ext:deno_node/internal/validators.mjs");
const { getTimerDuration } = core.loadExtScript("ext:deno_node/internal/timers.mjs");

const INVALID_PATH = new SafeRegExp(/[^\u0021-\u00ff]/);
// A piece of a response. What is shorter than half of it is copied, so that no more is kept
// than came.
const PIECE = 64 * 1024;
// A body up to this is sent with the request; a longer one, or one that comes later, follows it.
const WHOLE = 64 * 1024;
const NO_BODY = ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

// What a program says of a connection: it has none of its own.
function connection(isEncrypted) {
  const socket = new net.Socket();
  socket.encrypted = isEncrypted;
  socket.authorized = isEncrypted;
  socket.authorizationError = null;
  socket.getPeerCertificate = () => ({});
  socket.getCipher = () => ({});
  socket.getProtocol = () => isEncrypted ? "TLSv1.3" : null;
  socket.isSessionReused = () => false;
  return socket;
}

// ---- Options

// As in Node: (options, cb), (url, cb), (url, options, cb).
function parseArguments(input, options, callback) {
  if (typeof input === "string") {
    let url;
    try {
      url = new broker.URL(input);
    } catch {
      throw new ERR_INVALID_URL(input);
    }
    input = urlToHttpOptions(url);
  } else if (ObjectPrototypeIsPrototypeOf(broker.URL.prototype, input)) {
    input = urlToHttpOptions(input);
  } else {
    callback = options;
    options = input;
    input = null;
  }
  if (typeof options === "function") {
    callback = options;
    options = input || kEmptyObject;
  } else {
    options = ObjectAssign(input || {}, options);
  }
  return { options, callback };
}

function chosenAgent(options, fallback) {
  const { agent } = options;
  if (agent === false) return new fallback.constructor();
  if (agent === null || agent === undefined) {
    return typeof options.createConnection === "function" ? undefined : fallback;
  }
  if (typeof agent.addRequest !== "function") {
    throw new ERR_INVALID_ARG_TYPE(
      "options.agent",
      ["Agent-like Object", "undefined", "false"],
      agent,
    );
  }
  return agent;
}

function hostOf(options) {
  const names = ["hostname", "host"];
  for (let i = 0; i < names.length; i++) {
    const host = options[names[i]];
    if (host === undefined || host === null || host === "") continue;
    if (typeof host !== "string") {
      throw new ERR_INVALID_ARG_TYPE(
        `options.${names[i]}`,
        ["string", "undefined", "null"],
        host,
      );
    }
    return host;
  }
  return "localhost";
}

function methodOf({ method }) {
  if (method === undefined || method === null || method === "") return "GET";
  if (typeof method !== "string") {
    throw new ERR_INVALID_ARG_TYPE("options.method", "string", method);
  }
  if (!checkIsHttpToken(method)) throw new ERR_INVALID_HTTP_TOKEN("Method", method);
  return StringPrototypeToUpperCase(method);
}

const bracketed = (host) =>
  StringPrototypeIncludes(host, ":") && !StringPrototypeStartsWith(host, "[")
    ? `[${host}]`
    : host;

// ---- Errors

// The broker's sentences, by what they are about.
const CODES = [
  [new SafeRegExp(/timed out|no response within/i), "ETIMEDOUT"],
  [new SafeRegExp(/refused/i), "ECONNREFUSED"],
  [new SafeRegExp(/dns|resolve|lookup|name or service/i), "ENOTFOUND"],
  [new SafeRegExp(/certificate/i), "CERT_HAS_EXPIRED"],
];

function failed(error, { host, port }) {
  error = broker.toNode(error);
  if (typeof error !== "object" || error === null) return error;
  if (error.code === undefined) {
    let code = "ECONNRESET";
    // The URL in front of the reason is the program's.
    const text = String(error.message);
    const reason = StringPrototypeSlice(text, StringPrototypeLastIndexOf(text, "): ") + 1);
    for (let i = 0; i < CODES.length; i++) {
      if (RegExpPrototypeExec(CODES[i][0], reason) !== null) {
        code = CODES[i][1];
        break;
      }
    }
    error.code = code;
  }
  error.syscall ??= "connect";
  error.hostname ??= host;
  error.host ??= host;
  error.port ??= port;
  return error;
}

function unavailable(message) {
  const error = new Error(message);
  error.code = "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM";
  return error;
}

// ---- Responses

function append(raw, name, value) {
  ArrayPrototypePush(raw, name, value);
}

function response(request, head) {
  const message = new IncomingMessage(request.socket);
  const raw = [];
  for (let i = 0; i < head.headers.length; i++) append(raw, head.headers[i][0], head.headers[i][1]);
  message.joinDuplicateHeaders = request.joinDuplicateHeaders;
  message._addHeaderLines(raw, raw.length);
  message.httpVersion = "1.1";
  message.httpVersionMajor = 1;
  message.httpVersionMinor = 1;
  message.statusCode = head.status;
  message.statusMessage = head.statusText;
  message.req = request;
  let open = true;
  const close = () => {
    if (open) core.tryClose(head.responseRid);
    open = false;
  };
  message._read = function () {
    if (!this._consuming) {
      this._readableState.readingMore = false;
      this._consuming = true;
    }
    const piece = new Uint8Array(PIECE);
    PromisePrototypeThen(core.read(head.responseRid, piece), (length) => {
      request._active();
      if (length === 0) {
        close();
        this.complete = true;
        this.push(null);
        return;
      }
      const part = length < PIECE / 2
        ? TypedArrayPrototypeSlice(piece, 0, length)
        : TypedArrayPrototypeSubarray(piece, 0, length);
      this.push(Buffer.from(part.buffer, part.byteOffset, part.byteLength));
    }, (error) => {
      if (open) this.destroy(failed(error, request));
    });
  };
  message._destroy = function (error, callback) {
    const isEarly = !this.readableEnded || !this.complete;
    close();
    if (isEarly) {
      this.aborted = true;
      this.emit("aborted");
    }
    // As Node's: an error that nobody listens for is not one of the program's.
    nextTick(() => callback(this.listenerCount("error") === 0 ? undefined : error));
  };
  return message;
}

// ---- Requests

const kPieces = Symbol("kPieces");
const kState = Symbol("kState");

class ClientRequest extends Writable {
  constructor(input, options, callback) {
    super({ autoDestroy: false, emitClose: false });
    ({ options, callback } = parseArguments(input, options, callback));
    const fallback = options._defaultAgent || httpAgent.globalAgent;
    this.agent = chosenAgent(options, fallback);
    this.protocol = options.protocol || fallback.protocol;
    const expected = this.agent?.protocol || fallback.protocol;
    if (this.protocol !== expected) throw new ERR_INVALID_PROTOCOL(this.protocol, expected);
    const path = options.path ? String(options.path) : "/";
    if (RegExpPrototypeExec(INVALID_PATH, path) !== null) {
      throw new ERR_UNESCAPED_CHARACTERS("Request path");
    }
    this.path = path;
    this.method = methodOf(options);
    this.host = hostOf(options);
    const standard = options.defaultPort || this.agent?.defaultPort ||
      (this.protocol === "https:" ? 443 : 80);
    this.port = options.port || standard;
    this.aborted = false;
    this.finished = false;
    this.headersSent = false;
    this.joinDuplicateHeaders = !!options.joinDuplicateHeaders;
    this.maxHeadersCount = null;
    this.maxHeaderSize = options.maxHeaderSize;
    this.res = null;
    this.reusedSocket = false;
    this.shouldKeepAlive = !!this.agent?.keepAlive;
    this.socketPath = options.socketPath;
    this.socket = null;
    this.timeout = undefined;
    this.useChunkedEncodingByDefault = !isBodiless(this.method);
    this._header = null;
    this[kOutHeaders] = null;
    this[kPieces] = [];
    this[kState] = {
      __proto__: null,
      begun: false,
      cancel: undefined,
      cancelled: false,
      closed: false,
      controller: undefined,
      ending: false,
      length: 0,
      pull: undefined,
      waiting: undefined,
    };
    setHeaders(this, options.headers);
    if (options.auth && !this.hasHeader("authorization")) {
      this.setHeader("Authorization", `Basic ${Buffer.from(options.auth).toString("base64")}`);
    }
    if (this.port !== standard && !this.hasHeader("host") && options.setHost !== false) {
      this.setHeader("Host", `${bracketed(this.host)}:${this.port}`);
    } else if (!this.hasHeader("host") && options.setHost !== false) {
      this.setHeader("Host", bracketed(this.host));
    }
    if (callback) this.once("response", callback);
    if (options.timeout !== undefined) {
      this.timeout = getTimerDuration(options.timeout, "timeout");
    }
    if (options.signal) this._follow(options.signal);
    nextTick(() => this._connect());
  }

  get connection() {
    return this.socket;
  }

  // Until the request is closed, not only until its body is sent.
  _follow(signal) {
    validateAbortSignal(signal, "options.signal");
    const abort = () => this.destroy(new AbortError(undefined, { cause: signal.reason }));
    if (signal.aborted) {
      nextTick(abort);
    } else {
      signal.addEventListener("abort", abort, { once: true });
      this.once("close", () => signal.removeEventListener("abort", abort));
    }
  }

  // A socket that says nothing, for packages that look at one.
  _connect() {
    if (this.destroyed) return;
    this.socket = connection(this.protocol === "https:");
    this.socket.on("timeout", () => this.emit("timeout"));
    this.socket.on("close", () => this.destroyed || this.res?.complete || this.destroy());
    if (this.timeout) this.socket.setTimeout(this.timeout);
    this.emit("socket", this.socket);
  }

  // Something happened, so that a timeout begins anew.
  _active() {
    this.socket?._unrefTimer?.();
  }

  setTimeout(duration, callback) {
    this.timeout = getTimerDuration(duration, "msecs");
    if (callback) this.once("timeout", callback);
    this.socket?.setTimeout(this.timeout);
    return this;
  }

  clearTimeout() {
    return this.setTimeout(0);
  }

  setNoDelay() {}
  setSocketKeepAlive() {}
  onSocket() {}
  cork() {}
  uncork() {}
  addTrailers() {}

  flushHeaders() {
    this._begin();
  }

  // ---- The body

  write(chunk, encoding, callback) {
    if (!this[kState].begun) nextTick(() => this._begin());
    return super.write(chunk, encoding, callback);
  }

  end(chunk, encoding, callback) {
    this[kState].ending = true;
    super.end(chunk, encoding, callback);
    this.finished = true;
    return this;
  }

  _write(chunk, encoding, callback) {
    const state = this[kState];
    const piece = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
    this._active();
    if (state.cancelled) {
      callback();
      return;
    }
    if (state.controller !== undefined && this[kPieces].length === 0) {
      this._hand(piece, callback);
      return;
    }
    ArrayPrototypePush(this[kPieces], piece);
    state.length += TypedArrayPrototypeGetByteLength(piece);
    if (state.length <= WHOLE || state.ending) {
      callback();
    } else {
      state.waiting = callback;
      this._begin();
    }
  }

  _final(callback) {
    const state = this[kState];
    if (state.cancelled) {
      callback();
      return;
    }
    if (state.controller !== undefined) {
      if (this[kPieces].length > 0) state.controller.enqueue(joined(this[kPieces], state.length));
      this[kPieces] = [];
      state.controller.close();
      state.pull?.();
    } else {
      this._send(joined(this[kPieces], state.length), undefined);
    }
    callback();
  }

  // One piece of a body that follows the request, when it is asked for.
  _hand(piece, callback) {
    const state = this[kState];
    const give = () => {
      if (!state.cancelled) state.controller.enqueue(piece);
      callback();
    };
    if (state.pull === undefined) {
      state.waiting = give;
    } else {
      const pulled = state.pull;
      state.pull = undefined;
      give();
      pulled();
    }
  }

  // Sends the head if the body is not there yet.
  _begin() {
    const state = this[kState];
    if (state.begun || state.ending || this.destroyed) return;
    state.begun = true;
    const body = new broker.ReadableStream({
      start: (controller) => {
        state.controller = controller;
      },
      pull: () => this._pull(),
      cancel: () => {
        // The response has come before the end of the body, and says why.
        state.cancelled = true;
        const { waiting } = state;
        state.waiting = undefined;
        waiting?.();
      },
    }, { highWaterMark: 0 });
    this._send(undefined, broker.resourceForReadableStream(body));
  }

  _pull() {
    const state = this[kState];
    if (this[kPieces].length > 0) {
      state.controller.enqueue(joined(this[kPieces], state.length));
      this[kPieces] = [];
      state.length = 0;
      const { waiting } = state;
      state.waiting = undefined;
      waiting?.();
      return undefined;
    }
    if (state.waiting !== undefined) {
      const give = state.waiting;
      state.waiting = undefined;
      give();
      return undefined;
    }
    return new Promise((resolve) => {
      state.pull = resolve;
    });
  }

  // ---- The request

  _url() {
    const path = StringPrototypeStartsWith(this.path, "/") ? this.path : `/${this.path}`;
    const text = `${this.protocol}//${bracketed(this.host)}:${this.port}${path}`;
    try {
      return new broker.URL(text).href;
    } catch {
      throw new ERR_INVALID_URL(text);
    }
  }

  _send(bytes, stream) {
    const state = this[kState];
    state.begun = true;
    this.headersSent = true;
    let started;
    try {
      const refusal = refused(this);
      if (refusal !== undefined) throw refusal;
      if (StringPrototypeToLowerCase(String(this.getHeader("expect") ?? "")) === "100-continue") {
        nextTick(() => this.emit("continue"));
      }
      const body = bytes !== undefined && bytes.byteLength > 0 ? bytes : null;
      const headers = sent(this, stream === undefined);
      this._header = `${this.method} ${this.path} HTTP/1.1\r\n`;
      started = broker.start(
        this.method,
        this._url(),
        headers,
        null,
        body !== null || stream !== undefined,
        body,
        stream ?? null,
      );
    } catch (error) {
      nextTick(() => this.destroy(failed(error, this)));
      return;
    }
    state.cancel = started.cancelHandleRid;
    PromisePrototypeThen(
      broker.send(started.requestRid),
      (head) => this._respond(head),
      (error) => this.destroyed || this.destroy(failed(error, this)),
    );
  }

  _respond(head) {
    this._forget();
    if (this.destroyed) {
      core.tryClose(head.responseRid);
      return;
    }
    this._active();
    const message = response(this, head);
    this.res = message;
    message.once("close", () => nextTick(() => this._end()));
    if (!this.emit("response", message)) message._dump();
  }

  _forget() {
    const state = this[kState];
    if (state.cancel !== undefined && state.cancel !== null) core.tryClose(state.cancel);
    state.cancel = undefined;
  }

  _end() {
    if (this[kState].closed) return;
    this[kState].closed = true;
    this.destroyed = true;
    this.socket?.setTimeout(0);
    this.emit("close");
  }

  abort() {
    if (this.aborted) return;
    this.aborted = true;
    nextTick(() => this.emit("abort"));
    this.destroy();
  }

  destroy(error) {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.socket?.setTimeout(0);
    this._forget();
    const { controller } = this[kState];
    if (controller !== undefined) {
      try {
        controller.error?.(error ?? connResetException("socket hang up"));
      } catch {
        // It has ended.
      }
    }
    if (this.res !== null) {
      if (!this.res.complete) this.res.destroy(error ?? connResetException("aborted"));
      nextTick(() => this._end());
    } else {
      nextTick(() => {
        this.emit("error", error ?? connResetException("socket hang up"));
        this._end();
      });
    }
    return this;
  }
}

function isBodiless(method) {
  for (let i = 0; i < NO_BODY.length; i++) if (NO_BODY[i] === method) return true;
  return false;
}

function joined(pieces, length) {
  if (pieces.length === 1) return new Uint8Array(pieces[0]);
  const all = new Uint8Array(length);
  for (let i = 0, at = 0; i < pieces.length; i++) {
    all.set(pieces[i], at);
    at += TypedArrayPrototypeGetByteLength(pieces[i]);
  }
  return all;
}

// What cannot be asked of fetch.
function refused(request) {
  if (request.socketPath) {
    return unavailable("node:http: a Unix socket (socketPath) is not available here, use a URL");
  }
  if (request.method === "CONNECT") {
    return unavailable("node:http: a tunnel (CONNECT) is not available here: request the URL");
  }
  if (request.hasHeader("upgrade")) {
    return unavailable(
      "node:http: an upgrade of the connection (WebSocket) is not available here: " +
        "use requests, or EventSource",
    );
  }
  return undefined;
}

// Headers of the options: an object, pairs, or names and values in turn.
function setHeaders(request, headers) {
  if (headers === undefined || headers === null) return;
  if (!ArrayIsArray(headers)) {
    const names = ObjectKeys(headers);
    for (let i = 0; i < names.length; i++) {
      const value = headers[names[i]];
      if (value !== undefined) request.setHeader(names[i], value);
    }
    return;
  }
  const isPairs = ArrayIsArray(headers[0]);
  for (let i = 0; i < headers.length; i += isPairs ? 1 : 2) {
    const name = isPairs ? headers[i][0] : headers[i];
    const value = isPairs ? headers[i][1] : headers[i + 1];
    request.appendHeader(name, value);
  }
}

// Headers as the broker takes them. Those of the connection are the server's.
function sent(request, isWhole) {
  const headers = [];
  const names = request.getRawHeaderNames();
  for (let i = 0; i < names.length; i++) {
    const lower = StringPrototypeToLowerCase(names[i]);
    if (lower === "host" || lower === "expect") continue;
    if (lower === "content-length" && isWhole) continue;
    const value = request.getHeader(names[i]);
    if (!ArrayIsArray(value)) {
      ArrayPrototypePush(headers, [names[i], String(value)]);
    } else if (lower === "cookie") {
      ArrayPrototypePush(headers, [names[i], ArrayPrototypeJoin(value, "; ")]);
    } else {
      for (let j = 0; j < value.length; j++) {
        ArrayPrototypePush(headers, [names[i], String(value[j])]);
      }
    }
  }
  return headers;
}

// Headers are kept as in every message of Node's.
const OF_HEADERS = [
  "appendHeader",
  "getHeader",
  "getHeaderNames",
  "getHeaders",
  "getRawHeaderNames",
  "hasHeader",
  "removeHeader",
  "setHeader",
  "setHeaders",
];
for (let i = 0; i < OF_HEADERS.length; i++) {
  const descriptor = ObjectGetOwnPropertyDescriptor(OutgoingMessage.prototype, OF_HEADERS[i]);
  if (descriptor === undefined) throw new Error(`OutgoingMessage has no ${OF_HEADERS[i]}`);
  ObjectDefineProperty(ClientRequest.prototype, OF_HEADERS[i], { ...descriptor, __proto__: null });
}

export { ClientRequest };
export default { ClientRequest };
