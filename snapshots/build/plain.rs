//! The scripts of Deno's crates in the plain snapshot.

use deno_core::{Extension, ExtensionFileSource};

/// The scripts of Deno's file, fetch and process APIs. Only the scripts are taken:
/// the ops that they call are ours, and the Rust of these crates, with file
/// access, an HTTP client and processes, has no place in a worker.
pub(super) fn add_scripts(extension: &mut Extension) {
    let scripts = [
        deno_fetch::deno_fetch::lazy_init().lazy_loaded_js_files,
        deno_fs::deno_fs::lazy_init().lazy_loaded_js_files,
        deno_io::deno_io::lazy_init().lazy_loaded_js_files,
        deno_process::deno_process::lazy_init().lazy_loaded_js_files,
    ];
    // All that deno_fetch takes from deno_net, for clients of a program's own.
    let tls = ExtensionFileSource::new(
        "ext:deno_net/02_tls.js",
        deno_core::ascii_str!("(function () { return { loadTlsKeyPair() {} }; })()"),
    );
    let own = std::mem::take(&mut extension.lazy_loaded_js_files);
    let all = own.iter().chain(scripts.iter().flat_map(|files| files.iter()));
    let all = all.chain([&tls]);
    extension.lazy_loaded_js_files = all.cloned().collect::<Vec<_>>().into();
}
