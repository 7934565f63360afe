// The web platform's globals: which global comes from which script of deno_web.

import { core, primordials } from "ext:core/mod.js";
import { console } from "ext:conductor/02_io.js";
import { EventSource, fetch, Request, Response } from "ext:conductor/05_fetch.js";
import { op_conductor_cpus, op_conductor_timer } from "ext:core/ops";
const { ObjectDefineProperties, ReflectApply, Symbol, SymbolDispose, SymbolFor, TypeError } = primordials;

const load = core.loadExtScript;
const abortSignal = load("ext:deno_web/03_abort_signal.js");
const base64 = load("ext:deno_web/05_base64.js");
const compression = load("ext:deno_web/14_compression.js");
const crypto = load("ext:deno_crypto/00_crypto.js");
const { DOMException, QuotaExceededError } = load("ext:deno_web/01_dom_exception.js");
const encoding = load("ext:deno_web/08_text_encoding.js");
const event = load("ext:deno_web/02_event.js");
const file = load("ext:deno_web/09_file.js");
const fileReader = load("ext:deno_web/10_filereader.js");
const { FormData } = load("ext:deno_fetch/21_formdata.js");
const { Headers } = load("ext:deno_fetch/20_headers.js");
const { Window } = load("ext:deno_web/04_global_interfaces.js");
const { SymbolMetadata } = load("ext:deno_web/00_infra.js");
const messagePort = load("ext:deno_web/13_message_port.js");
const performance = load("ext:deno_web/15_performance.js");
const streams = load("ext:deno_web/06_streams.js");
const timers = load("ext:deno_web/02_timers.js");
const url = load("ext:deno_web/00_url.js");
const urlPattern = load("ext:deno_web/01_urlpattern.js");
const webidl = load("ext:deno_webidl/00_webidl.js");

class Navigator {
  constructor() {
    webidl.illegalConstructor();
  }
  get hardwareConcurrency() {
    return op_conductor_cpus();
  }
  get userAgent() {
    return `Deno/${userAgentVersion.value}`;
  }
  get language() {
    return "en-US";
  }
  get languages() {
    return ["en-US"];
  }
  get platform() {
    return `Linux ${core.build.arch}`;
  }
  [SymbolFor("Deno.privateCustomInspect")](inspect, options) {
    const { hardwareConcurrency, userAgent, language, platform } = this;
    return `Navigator ${inspect({ hardwareConcurrency, userAgent, language, platform }, options)}`;
  }
}
class WebSocket {
  constructor() {
    throw new TypeError("WebSocket is not available here: use fetch() or EventSource");
  }
}

// Where a timer was started is said when it is left behind. `arguments`: what a rest
// parameter is spread with is the program's.
function setTimeout(_callback, _timeout = 0) {
  const id = ReflectApply(timers.setTimeout, this, arguments);
  op_conductor_timer(id);
  return id;
}
function setInterval(_callback, _timeout = 0) {
  const id = ReflectApply(timers.setInterval, this, arguments);
  op_conductor_timer(id);
  return id;
}

const navigator = webidl.createBranded(Navigator);
const userAgentVersion = { value: "" };

const hidden = core.propNonEnumerable;
const shown = core.propWritable;

const globals = {
  AbortController: hidden(abortSignal.AbortController),
  AbortSignal: hidden(abortSignal.AbortSignal),
  Blob: hidden(file.Blob),
  ByteLengthQueuingStrategy: hidden(streams.ByteLengthQueuingStrategy),
  CloseEvent: hidden(event.CloseEvent),
  CompressionStream: hidden(compression.CompressionStream),
  CountQueuingStrategy: hidden(streams.CountQueuingStrategy),
  Crypto: hidden(crypto.Crypto),
  CryptoKey: hidden(crypto.CryptoKey),
  CustomEvent: hidden(event.CustomEvent),
  DecompressionStream: hidden(compression.DecompressionStream),
  DOMException: hidden(DOMException),
  ErrorEvent: hidden(event.ErrorEvent),
  Event: hidden(event.Event),
  EventSource: hidden(EventSource),
  EventTarget: hidden(event.EventTarget),
  File: hidden(file.File),
  FileReader: hidden(fileReader.FileReader),
  FormData: hidden(FormData),
  Headers: hidden(Headers),
  MessageChannel: hidden(messagePort.MessageChannel),
  MessageEvent: hidden(event.MessageEvent),
  MessagePort: hidden(messagePort.MessagePort),
  Navigator: hidden(Navigator),
  Performance: hidden(performance.Performance),
  PerformanceEntry: hidden(performance.PerformanceEntry),
  PerformanceMark: hidden(performance.PerformanceMark),
  PerformanceMeasure: hidden(performance.PerformanceMeasure),
  PerformanceObserver: hidden(performance.PerformanceObserver),
  PerformanceObserverEntryList: hidden(performance.PerformanceObserverEntryList),
  ProgressEvent: hidden(event.ProgressEvent),
  PromiseRejectionEvent: hidden(event.PromiseRejectionEvent),
  QuotaExceededError: hidden(QuotaExceededError),
  ReadableByteStreamController: hidden(streams.ReadableByteStreamController),
  ReadableStream: hidden(streams.ReadableStream),
  ReadableStreamBYOBReader: hidden(streams.ReadableStreamBYOBReader),
  ReadableStreamBYOBRequest: hidden(streams.ReadableStreamBYOBRequest),
  ReadableStreamDefaultController: hidden(streams.ReadableStreamDefaultController),
  ReadableStreamDefaultReader: hidden(streams.ReadableStreamDefaultReader),
  Request: hidden(Request),
  Response: hidden(Response),
  SubtleCrypto: hidden(crypto.SubtleCrypto),
  TextDecoder: hidden(encoding.TextDecoder),
  TextDecoderStream: hidden(encoding.TextDecoderStream),
  TextEncoder: hidden(encoding.TextEncoder),
  TextEncoderStream: hidden(encoding.TextEncoderStream),
  TransformStream: hidden(streams.TransformStream),
  TransformStreamDefaultController: hidden(streams.TransformStreamDefaultController),
  URL: hidden(url.URL),
  URLPattern: hidden(urlPattern.URLPattern),
  URLSearchParams: hidden(url.URLSearchParams),
  WebSocket: hidden(WebSocket),
  Window: hidden(Window),
  WritableStream: hidden(streams.WritableStream),
  WritableStreamDefaultController: hidden(streams.WritableStreamDefaultController),
  WritableStreamDefaultWriter: hidden(streams.WritableStreamDefaultWriter),
  atob: shown(base64.atob),
  btoa: shown(base64.btoa),
  clearInterval: shown(timers.clearInterval),
  clearTimeout: shown(timers.clearTimeout),
  console: hidden(console),
  // A cppgc object cannot be part of a snapshot; this one is made on first use.
  crypto: core.propGetterOnly(() => crypto.crypto),
  fetch: shown(fetch),
  navigator: core.propGetterOnly(() => navigator),
  performance: shown(performance.performance),
  reportError: shown(event.reportError),
  self: core.propGetterOnly(() => globalThis),
  setInterval: shown(setInterval),
  setTimeout: shown(setTimeout),
  structuredClone: shown(messagePort.structuredClone),
  // There is nobody to ask.
  alert: shown(() => undefined),
  confirm: shown(() => false),
  prompt: shown(() => null),
  [webidl.brand]: hidden(webidl.brand),
};

function installGlobals() {
  const fixed = (value) => ({
    __proto__: null,
    value,
    enumerable: false,
    writable: false,
    configurable: false,
  });
  ObjectDefineProperties(Symbol, {
    dispose: fixed(SymbolDispose),
    metadata: fixed(SymbolMetadata),
  });
  core.defineGlobalProperties(globalThis, globals);
  event.setEventTargetData(globalThis);
  event.saveGlobalThisReference(globalThis);
  event.defineEventHandler(globalThis, "error");
  event.defineEventHandler(globalThis, "unhandledrejection");
}

export { event, installGlobals, performance, userAgentVersion, Window };
