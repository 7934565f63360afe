//! Makes the startup snapshot from `js/` and the scripts of the `deno_*` crates.

use std::path::PathBuf;
use std::rc::Rc;

use deno_core::snapshot::{CreateSnapshotOptions, create_snapshot};
use deno_core::{ModuleCodeString, ModuleName, SourceMapData};
use deno_error::JsErrorBox;

/// As `crate::protocol` in the library, for the ops.
#[path = "src/protocol/operation.rs"]
#[allow(dead_code, reason = "shared with the library, which uses all of it")]
mod protocol;
#[path = "snapshots/mod.rs"]
#[allow(dead_code, reason = "shared with the worker, which uses all of it")]
mod snapshots;

fn main() {
    println!("cargo:rerun-if-changed=snapshots");
    println!("cargo:rerun-if-changed=js");
    println!("cargo:rerun-if-changed=src/protocol/operation.rs");
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
    std::fs::write(out.join("snapshot.bin"), &output.output).expect("OUT_DIR is writable");
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

/// Where scripts of Deno's crates read what a program may have replaced: a global,
/// a static method, a method of the object in question. Each is said with the text
/// that is there and the text that takes it before any program exists.
const PATCHES: &[(&str, &str, &str)] = &[
    (
        "ext:deno_web/08_text_encoding.js",
        "const webidl = core.loadExtScript(\"ext:deno_webidl/00_webidl.js\");\n",
        "const webidl = core.loadExtScript(\"ext:deno_webidl/00_webidl.js\");\n\
         const { TransformStream } = core.loadExtScript(\"ext:deno_web/06_streams.js\");\n",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "      stream = ReadableStream.from(object.open());\n",
        "      stream = readableStreamFrom(object.open());\n",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "webidl.converters[\"async_sequence<Uint8Array>\"] =",
        "const readableStreamFrom = primordials.FunctionPrototypeBind(\
         ReadableStream.from, ReadableStream);\n\
         webidl.converters[\"async_sequence<Uint8Array>\"] =",
    ),
    (
        "ext:deno_web/02_event.js",
        "  // HTML specification section 8.1.7.1\n",
        "  const { addEventListener = EventTarget.prototype.addEventListener } = emitter;\n",
    ),
    (
        "ext:deno_web/02_event.js",
        "        this.addEventListener(name, handlerWrapper);\n",
        "        FunctionPrototypeCall(addEventListener, this, name, handlerWrapper);\n",
    ),
    (
        "ext:deno_web/10_filereader.js",
        "      this.addEventListener(name, handlerWrapper);\n",
        "      FunctionPrototypeCall(addEventListener, this, name, handlerWrapper);\n",
    ),
    (
        "ext:deno_web/10_filereader.js",
        "function makeWrappedHandler(handler) {\n",
        "const { addEventListener } = EventTarget.prototype;\n\n\
         function makeWrappedHandler(handler) {\n",
    ),
];

/// A script with its patches. A text that is not there once fails the build: the
/// new version of the crate is to be read.
fn patch(
    specifier: ModuleName,
    mut code: ModuleCodeString,
) -> Result<(ModuleCodeString, Option<SourceMapData>), JsErrorBox> {
    for (_, before, after) in PATCHES.iter().filter(|(script, ..)| *script == specifier.as_str()) {
        if code.as_str().matches(before).count() != 1 {
            return Err(JsErrorBox::generic(format!("{specifier} has not once: {before}")));
        }
        code = code.as_str().replace(before, after).into();
    }
    Ok((code, None))
}
