//! Makes the startup snapshot from `js/` and the scripts of the `deno_*` crates.

use std::path::PathBuf;

use deno_core::snapshot::{CreateSnapshotOptions, create_snapshot};

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
            extension_transpiler: None,
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
