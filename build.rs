//! Makes the startup snapshots from `js/` and the scripts of the `deno_*` crates.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use deno_core::snapshot::{CreateSnapshotOptions, create_snapshot};
use deno_core::{Extension, ModuleCodeString, ModuleName, SourceMapData};
use deno_error::JsErrorBox;

#[path = "src/engines/typescript/builtins.rs"]
#[allow(dead_code, reason = "shared with the engine, which uses all of it")]
mod builtins;
#[path = "snapshots/build/node.rs"]
mod node;
#[path = "snapshots/build/patches.rs"]
mod patches;
#[path = "snapshots/build/plain.rs"]
mod plain;
/// As `crate::protocol` in the library, for the ops.
#[path = "src/protocol/operation/mod.rs"]
#[allow(dead_code, reason = "shared with the library, which uses all of it")]
mod protocol;
#[path = "snapshots/build/script_list.rs"]
mod script_list;
#[path = "snapshots/mod.rs"]
#[allow(dead_code, reason = "shared with the worker, which uses all of it")]
mod snapshots;
#[path = "snapshots/build/transpile.rs"]
mod transpile;

/// zstd's strongest level of those that need no more memory to decompress: 2 s here for
/// what each program has in it.
const COMPRESSION: i32 = 19;

fn main() {
    println!("cargo:rerun-if-changed=snapshots");
    println!("cargo:rerun-if-changed=js");
    println!("cargo:rerun-if-changed=src/protocol/operation");
    println!("cargo:rerun-if-changed=src/engines/typescript/builtins.rs");
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    println!("cargo:rustc-env=CONDUCTOR_TARGET={target}");

    let mut extensions = snapshots::extensions();
    plain::add_scripts(extensions.last_mut().expect("there are extensions"));
    write("snapshot.bin", &snapshot(extensions, patches::patch));

    let mut extensions = snapshots::node_extensions();
    let [.., plain, node] = &mut extensions[..] else { unreachable!("both are in the list") };
    plain::add_scripts(plain);
    node::add_scripts(node, Path::new(env!("CARGO_MANIFEST_DIR")));
    let bytes = snapshot(extensions, transpile::patch_and_transpile);
    let bytes = zstd::encode_all(&bytes[..], COMPRESSION).expect("memory is a writer");
    write("node.bin.zst", &bytes);
}

/// What is done to a script, by its specifier and text.
type Change = fn(
    ModuleName,
    ModuleCodeString,
) -> Result<(ModuleCodeString, Option<SourceMapData>), JsErrorBox>;

fn snapshot(extensions: Vec<Extension>, change: Change) -> Box<[u8]> {
    let options = CreateSnapshotOptions {
        cargo_manifest_dir: env!("CARGO_MANIFEST_DIR"),
        startup_snapshot: None,
        skip_op_registration: false,
        extensions,
        extension_transpiler: Some(Rc::new(change)),
        with_runtime_cb: None,
    };
    let output = create_snapshot(options, None).expect("the scripts in js/ evaluate");
    for path in output.files_loaded_during_snapshot {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    output.output
}

fn write(name: &str, bytes: &[u8]) {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // A new file: the old one may be a link that copies of this directory share.
    let file = out.join(name);
    let _ = std::fs::remove_file(&file);
    std::fs::write(file, bytes).expect("OUT_DIR is writable");
}
