//! Makes the startup snapshot from `js/` and the scripts of the `deno_*` crates.

use std::path::PathBuf;

use deno_core::snapshot::{CreateSnapshotOptions, create_snapshot};

#[path = "snapshots/mod.rs"]
#[allow(dead_code, reason = "shared with the worker, which uses all of it")]
mod snapshots;

fn main() {
    println!("cargo:rerun-if-changed=snapshots");
    println!("cargo:rerun-if-changed=js");
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    println!("cargo:rustc-env=CONDUCTOR_TARGET={target}");

    let mut extensions = snapshots::extensions();
    add_fetch_scripts(&mut extensions);
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

/// FormData and Headers come from deno_fetch, whose scripts need none of its
/// ops for them. Only the scripts are taken: the HTTP client that comes with
/// the crate has no place in a worker.
fn add_fetch_scripts(extensions: &mut [deno_core::Extension]) {
    let fetch = deno_fetch::deno_fetch::lazy_init();
    let last = extensions.last_mut().expect("there are extensions");
    last.lazy_loaded_js_files = fetch.lazy_loaded_js_files;
}
