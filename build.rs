//! Makes the startup snapshot from `js/` and the scripts of the `deno_*` crates.

use std::path::PathBuf;
use std::rc::Rc;

use deno_core::snapshot::{CreateSnapshotOptions, create_snapshot};
use deno_core::{ModuleCodeString, ModuleName, SourceMapData};
use deno_error::JsErrorBox;

/// As `crate::protocol` in the library, for the ops.
#[path = "src/protocol/operation/mod.rs"]
#[allow(dead_code, reason = "shared with the library, which uses all of it")]
mod protocol;
#[path = "snapshots/mod.rs"]
#[allow(dead_code, reason = "shared with the worker, which uses all of it")]
mod snapshots;

fn main() {
    println!("cargo:rerun-if-changed=snapshots");
    println!("cargo:rerun-if-changed=js");
    println!("cargo:rerun-if-changed=src/protocol/operation");
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    println!("cargo:rustc-env=CONDUCTOR_TARGET={target}");

    let mut extensions = snapshots::extensions();
    add_scripts(&mut extensions);
    let output = create_snapshot(
        CreateSnapshotOptions {
            cargo_manifest_dir: env!("CARGO_MANIFEST_DIR"),
            startup_snapshot: None,
            skip_op_registration: false,
            extensions,
            extension_transpiler: Some(Rc::new(patch)),
            with_runtime_cb: None,
        },
        None,
    )
    .expect("the scripts in js/ evaluate");

    for path in output.files_loaded_during_snapshot {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // A new file: the old one may be a link that copies of this directory share.
    let snapshot = out.join("snapshot.bin");
    let _ = std::fs::remove_file(&snapshot);
    std::fs::write(snapshot, &output.output).expect("OUT_DIR is writable");
}

/// The scripts of Deno's file, fetch and process APIs. Only the scripts are taken:
/// the ops that they call are ours, and the Rust of these crates, with file
/// access, an HTTP client and processes, has no place in a worker.
fn add_scripts(extensions: &mut [deno_core::Extension]) {
    let last = extensions.last_mut().expect("there are extensions");
    let scripts = [
        deno_fetch::deno_fetch::lazy_init().lazy_loaded_js_files,
        deno_fs::deno_fs::lazy_init().lazy_loaded_js_files,
        deno_io::deno_io::lazy_init().lazy_loaded_js_files,
        deno_process::deno_process::lazy_init().lazy_loaded_js_files,
    ];
    // All that deno_fetch takes from deno_net, for clients of a program's own.
    let tls = deno_core::ExtensionFileSource::new(
        "ext:deno_net/02_tls.js",
        deno_core::ascii_str!("(function () { return { loadTlsKeyPair() {} }; })()"),
    );
    let own = std::mem::take(&mut last.lazy_loaded_js_files);
    let all = own.iter().chain(scripts.iter().flat_map(|files| files.iter()));
    let all = all.chain([&tls]);
    last.lazy_loaded_js_files = all.cloned().collect::<Vec<_>>().into();
}

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

/// A script of Deno's crates that uses nothing that a program may have replaced, and
/// keeps no more than it has read.
fn patch(
    specifier: ModuleName,
    mut code: ModuleCodeString,
) -> Result<(ModuleCodeString, Option<SourceMapData>), JsErrorBox> {
    let of_script = |(script, ..): &&(&str, &str, &str)| {
        specifier.as_str().strip_prefix("ext:") == Some(*script)
    };
    for (_, class, source) in GLOBALS.iter().filter(of_script) {
        let bound = format!("new (core.loadExtScript(\"ext:{source}\").{class})(");
        code = replaced(&code, &format!("new {class}("), &bound)?;
    }
    for (_, before, after) in METHODS.iter().chain(PIECES).filter(of_script) {
        code = replaced(&code, before, after)?;
    }
    Ok((code, None))
}

/// Fails the build when the text is no longer there: the new version of the crate
/// is to be read.
fn replaced(
    code: &ModuleCodeString,
    before: &str,
    after: &str,
) -> Result<ModuleCodeString, JsErrorBox> {
    if !code.as_str().contains(before) {
        return Err(JsErrorBox::generic(format!("a script of Deno's has no longer: {before}")));
    }
    Ok(code.as_str().replace(before, after).into())
}
