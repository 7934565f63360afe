//! What is changed in the scripts of Deno's crates, and why. A text that is no longer there
//! fails the build: the new version of the crate is to be read.

use deno_core::{ModuleCodeString, ModuleName, SourceMapData};
use deno_error::JsErrorBox;

/// Classes that scripts of Deno's crates read from the global object as they run,
/// where a program may have put its own: the script, the class, and the script
/// that it is from.
const GLOBALS: &[(&str, &str, &str)] = &[
    ("deno_fetch/21_formdata.js", "Headers", "deno_fetch/20_headers.js"),
    ("deno_fetch/22_body.js", "Blob", "deno_web/09_file.js"),
    ("deno_fetch/22_body.js", "ReadableStream", "deno_web/06_streams.js"),
    ("deno_fetch/26_fetch.js", "URL", "deno_web/00_url.js"),
    ("deno_fetch/27_eventsource.js", "AbortController", "deno_web/03_abort_signal.js"),
    ("deno_fetch/27_eventsource.js", "Event", "deno_web/02_event.js"),
    ("deno_fetch/27_eventsource.js", "MessageEvent", "deno_web/02_event.js"),
    ("deno_fs/30_fs.js", "TextEncoder", "deno_web/08_text_encoding.js"),
    ("deno_fs/30_fs.js", "TextEncoderStream", "deno_web/08_text_encoding.js"),
    ("deno_web/03_abort_signal.js", "DOMException", "deno_web/01_dom_exception.js"),
    ("deno_web/06_streams.js", "DOMException", "deno_web/01_dom_exception.js"),
    ("deno_web/06_streams.js", "MessageChannel", "deno_web/13_message_port.js"),
    ("deno_web/08_text_encoding.js", "TransformStream", "deno_web/06_streams.js"),
];

/// Methods that scripts of Deno's crates look up on an object of the program's, and
/// hand functions of their own: the script, the text that is there, and the text
/// that takes the method before any program exists.
const METHODS: &[(&str, &str, &str)] = &[
    ("deno_fetch/22_body.js", "ReadableStream.from(object", "readableStreamFrom(object"),
    (
        "deno_fetch/22_body.js",
        "webidl.converters[\"async_sequence<Uint8Array>\"] =",
        "const streams = core.loadExtScript(\"ext:deno_web/06_streams.js\");\n\
         const readableStreamFrom = primordials.FunctionPrototypeBind(\
         streams.ReadableStream.from, streams.ReadableStream);\n\
         webidl.converters[\"async_sequence<Uint8Array>\"] =",
    ),
    (
        "deno_web/02_event.js",
        "  // HTML specification section 8.1.7.1\n",
        "  const { addEventListener = EventTarget.prototype.addEventListener } = emitter;\n",
    ),
    (
        "deno_web/02_event.js",
        "this.addEventListener(name, handlerWrapper)",
        "FunctionPrototypeCall(addEventListener, this, name, handlerWrapper)",
    ),
    (
        "deno_web/10_filereader.js",
        "function makeWrappedHandler(handler) {\n",
        "const { addEventListener } = EventTarget.prototype;\n\
         function makeWrappedHandler(handler) {\n",
    ),
    (
        "deno_web/10_filereader.js",
        "this.addEventListener(name, handlerWrapper)",
        "FunctionPrototypeCall(addEventListener, this, name, handlerWrapper)",
    ),
];

/// Where scripts of Deno's crates keep a buffer of 64 KiB for each piece that they read,
/// however short it is: the script, the text that is there, and the text that keeps what
/// was read. A piece of a program's own buffer stays in that.
const PIECES: &[(&str, &str, &str)] = &[
    (
        "deno_process/40_process.js",
        "      const buf = new Uint8Array(READ_PER_ITER);\n      \
         const nread = await core.read(rid, buf);\n      \
         if (nread === 0) break;\n      \
         ArrayPrototypePush(buffers, TypedArrayPrototypeSubarray(buf, 0, nread));\n",
        "      return await core.readAll(rid);\n",
    ),
    (
        "deno_web/06_streams.js",
        "          controller.byobRequest.respond(bytesRead);\n",
        "          respondWithRead(controller, bytesRead);\n",
    ),
    (
        "deno_web/06_streams.js",
        "const promiseSymbol = SymbolFor(\"__promise\");\n",
        "function respondWithRead(controller, bytesRead) {\n  \
         const pullInto = controller[_pendingPullIntos].peek();\n  \
         if (pullInto.readerType === \"default\" && bytesRead <= pullInto.byteLength / 2) {\n    \
         pullInto.buffer = ArrayBufferPrototypeTransferToFixedLength(pullInto.buffer, bytesRead);\n    \
         pullInto.byteLength = pullInto.bufferByteLength = bytesRead;\n  \
         }\n  \
         readableByteStreamControllerRespond(controller, bytesRead);\n\
         }\n\
         const promiseSymbol = SymbolFor(\"__promise\");\n",
    ),
];

/// What scripts of deno_node do as they are loaded that a snapshot cannot hold, or that is
/// of deno_runtime: the script, the text that is there, and ours.
const NODE: &[(&str, &str, &str)] = &[
    // An object of Rust's: made when it is asked for.
    (
        "deno_node/crypto.ts",
        "const { crypto: webcrypto } = core.loadExtScript(\n  \"ext:deno_crypto/00_crypto.js\",\n);",
        "const webCrypto = core.loadExtScript(\"ext:deno_crypto/00_crypto.js\");\n\
         const { ObjectGetOwnPropertyDescriptor, ObjectGetOwnPropertyNames, ReflectApply } = primordials;\n\
         function forwarder(prototype, object) {\n  \
         const methods = {};\n  \
         const names = ObjectGetOwnPropertyNames(prototype);\n  \
         for (let i = 0; i < names.length; i++) {\n    \
         const method = ObjectGetOwnPropertyDescriptor(prototype, names[i]).value;\n    \
         if (names[i] === \"constructor\" || typeof method !== \"function\") continue;\n    \
         methods[names[i]] = (...args) => ReflectApply(method, object(), args);\n  \
         }\n  \
         return methods;\n\
         }\n\
         const webcrypto = forwarder(webCrypto.Crypto.prototype, () => webCrypto.crypto);\n\
         webcrypto.subtle = forwarder(\n  \
         webCrypto.SubtleCrypto.prototype,\n  \
         () => webCrypto.crypto.subtle,\n\
         );",
    ),
    // Who owns a file is not told here: the run's grants decide, and the file's mode.
    ("deno_node/fs.ts", "info.uid === NodeDeno.uid()", "true"),
    (
        "deno_node/fs.ts",
        "      fileMode >>= 6;",
        "      fileMode |= fileMode >> 6 | fileMode >> 3;",
    ),
    (
        "deno_node/fs.ts",
        "if ((m & fileMode) === m) {",
        "if ((m & fileMode) === m && NodeDeno.mayAccess(path, m)) {",
    ),
    // The third argument of a text is the position, as in Node.
    (
        "deno_node/fs.ts",
        "  return innerWriteSync(fd, buffer, 0, buffer.length, position);",
        "  return innerWriteSync(fd, buffer, 0, buffer.length, offset);",
    ),
    // A listing is an answer, nothing that is open (js/node/ops/fs.js).
    ("deno_node/_fs/_fs_readdir.ts", "    core.close(rid);\n", ""),
    // The script is started in the zygote, which has another number.
    ("node:process", "    return pid;\n", "    return NodeDeno.pid;\n"),
    // A warning that Node gives with --pending-deprecation only.
    ("deno_node/_process/process.ts", "if (typeof value !== \"string\") {", "if (false) {"),
    // Names are looked up by the server, and a session of HTTP/2 fails as its socket does.
    (
        "deno_node/internal/errors.ts",
        "const message = `${syscall} ${code}${hostname ? ` ${hostname}` : \"\"}`;",
        "const message = `${syscall} ${code}${hostname ? ` ${hostname}` : \"\"}` +\n    \
         (code === \"EPERM\" ? \": names cannot be looked up here, fetch() and node:http do it\" : \"\");",
    ),
    (
        "deno_node/http2.ts",
        "  const session = new ClientHttp2Session(options, socket);\n",
        "  const session = new ClientHttp2Session(options, socket);\n  \
         if (socket.listenerCount(\"error\") === 0) {\n    \
         socket.on(\"error\", (error) => session.destroy(error));\n  \
         }\n",
    ),
    // Input and output are the server's (js/node/ops/io.js).
    (
        "deno_node/_process/streams.mjs",
        "core.loadExtScript(\"ext:deno_io/12_io.js\")",
        "core.loadExtScript(\"ext:conductor/00_ops.js\").conductorIo",
    ),
    (
        "node:process",
        "core.loadExtScript(\"ext:deno_io/12_io.js\")",
        "core.loadExtScript(\"ext:conductor/00_ops.js\").conductorIo",
    ),
    // V8 has no registry in a snapshot that something is registered in. Channels are few.
    ("deno_node/diagnostics_channel.js", "    this.#finalizers.register(value, key);\n", ""),
    (
        "node:console",
        "import { windowOrWorkerGlobalScope } from \"ext:runtime/98_global_scope_shared.js\";",
        "const windowOrWorkerGlobalScope = { console: { value: globalThis.console } };",
    ),
];

/// A script of Deno's crates that uses nothing that a program may have replaced, and
/// keeps no more than it has read.
pub(super) fn patch(
    specifier: ModuleName,
    mut code: ModuleCodeString,
) -> Result<(ModuleCodeString, Option<SourceMapData>), JsErrorBox> {
    let of_script = |(script, ..): &&(&str, &str, &str)| {
        let specifier = specifier.as_str();
        specifier.strip_prefix("ext:").unwrap_or(specifier) == *script
    };
    for (_, class, source) in GLOBALS.iter().filter(of_script) {
        let bound = format!("new (core.loadExtScript(\"ext:{source}\").{class})(");
        code = replaced(&code, &format!("new {class}("), &bound)?;
    }
    for (_, before, after) in METHODS.iter().chain(PIECES).chain(NODE).filter(of_script) {
        code = replaced(&code, before, after)?;
    }
    Ok((code, None))
}

/// Fails the build when the text is no longer there: the new version of the crate
/// is to be read.
pub(super) fn replaced(
    code: &ModuleCodeString,
    before: &str,
    after: &str,
) -> Result<ModuleCodeString, JsErrorBox> {
    if !code.as_str().contains(before) {
        return Err(JsErrorBox::generic(format!("a script of Deno's has no longer: {before}")));
    }
    Ok(code.as_str().replace(before, after).into())
}
