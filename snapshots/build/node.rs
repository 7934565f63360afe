//! The scripts of the node: built-ins: those of the crate deno_node, unchanged but for
//! what `patches.rs` and `js/node/replace/` say, and a few of ours in the place of other
//! crates'. `.setup/node` puts them below `target/node/`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use deno_core::{Extension, ExtensionFileSource};

use super::builtins::BUILTINS;
use super::script_list::{self, Kind, Listed};

/// Ours in the place of scripts of deno_node, by their paths.
const REPLACED: &str = "js/node/replace";
/// Ours in the place of scripts of other crates, as `crate/path`.
const OTHERS: &str = "js/node/others";
/// deno_node's modules that export what a script returns, name by name. deno_core makes
/// such modules while it links, when no op is in the table.
const OF_SCRIPTS: &[(&str, &str)] = &[
    ("node:url", "js/node/modules/url.js"),
    ("node:util", "js/node/modules/util.js"),
    ("node:worker_threads", "js/node/modules/worker_threads.js"),
    ("node:zlib", "js/node/modules/zlib.js"),
];
/// What Node's version is said to be, as Deno 2.9.8 says it.
const NODE_VERSION: &str = "24.14.0";

/// Adds all scripts to the extension.
pub(super) fn add_scripts(extension: &mut Extension, root: &Path) {
    let crate_dir = find(root);
    let lib = read(&crate_dir.join("lib.rs"));
    let listed = script_list::scripts(&lib);
    let mut ops = BTreeSet::new();
    let (mut modules, mut classic) = (Vec::new(), Vec::new());
    for script in &listed {
        let text = source(script, root, &crate_dir);
        ops.extend(op_names(&text).map(str::to_owned));
        let source = computed(&script.specifier, text);
        match script.kind {
            Kind::Module => modules.push(source),
            Kind::Classic => classic.push(source),
        }
    }
    for (specifier, path) in OF_SCRIPTS {
        modules.push(computed(specifier, read(&root.join(path))));
    }
    for (path, text) in others(&root.join(OTHERS)) {
        ops.extend(op_names(&text).map(str::to_owned));
        classic.push(computed(&format!("ext:{path}"), text));
    }
    modules.push(computed("ext:conductor_node/taken.js", taken(&ops)));
    modules.push(computed("ext:conductor_node/builtins.js", builtins(&listed)));
    let own = std::mem::take(&mut extension.lazy_loaded_js_files);
    extension.lazy_loaded_js_files = own.iter().cloned().chain(classic).collect();
    let own = std::mem::take(&mut extension.lazy_loaded_esm_files);
    extension.lazy_loaded_esm_files = own.iter().cloned().chain(modules).collect();
}

/// The crate's directory, where `.setup/node` put it.
fn find(root: &Path) -> PathBuf {
    let setup = root.join(".setup/node");
    println!("cargo:rerun-if-changed={}", setup.display());
    let version = read(&setup)
        .lines()
        .find_map(|line| line.strip_prefix("version=").map(str::to_owned))
        .expect(".setup/node names its version");
    let directory = root.join(format!("target/node/deno_node-{version}"));
    println!("cargo:rerun-if-changed={}", directory.display());
    let status = Command::new(&setup).status();
    assert!(
        status.is_ok_and(|status| status.success()) && directory.join("lib.rs").is_file(),
        "the scripts of the node: built-ins are not in {}: run .setup/node, which says what it \
         needs",
        directory.display()
    );
    directory
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn computed(specifier: &str, text: String) -> ExtensionFileSource {
    // A build script is short: what the extension keeps is as long as it.
    let specifier: &'static str = Box::leak(specifier.to_owned().into_boxed_str());
    ExtensionFileSource::new_computed(specifier, text.into())
}

/// The text of a script, or ours in its place, with ops from the table.
fn source(script: &Listed, root: &Path, crate_dir: &Path) -> String {
    let ours = root.join(REPLACED).join(&script.path);
    let text = if ours.is_file() {
        read(&ours)
    } else {
        read(&crate_dir.join("polyfills").join(&script.path))
    };
    let text = text.replace("__NODE_VERSION__", NODE_VERSION);
    match script.kind {
        Kind::Module => with_deno(ops_from_table(text), ""),
        Kind::Classic => with_deno(text, "(function () {"),
    }
}

/// The text with a Deno of the scripts' own in the place of the global one, which is the
/// program's. It is a constant behind what begins the script.
fn with_deno(text: String, begin: &str) -> String {
    const NAME: &str = "Deno.";
    const CONSTANT: &str =
        "const NodeDeno = __bootstrap.core.loadExtScript(\"ext:conductor_node/deno.js\");";
    let mut parts = text.split(NAME);
    let mut own = parts.next().expect("split yields a part").to_owned();
    for part in parts {
        let before = own.trim_end_matches("globalThis.").len();
        let is_name = own.ends_with("...")
            || !own[..before].ends_with(|c: char| c.is_alphanumeric() || "_$.\"'`".contains(c));
        if is_name {
            own.truncate(before);
            own += "Node";
        }
        own += NAME;
        own += part;
    }
    if own.len() == text.len() {
        return text;
    }
    let at = own.find(begin).expect("a classic script is a function") + begin.len();
    own.insert_str(at, CONSTANT);
    own
}

/// The text with ops taken from the table of `js/00_ops.js` instead of imported: what is
/// imported can only be Rust's.
fn ops_from_table(mut text: String) -> String {
    const END: &str = "} from \"ext:core/ops\";";
    while let Some(end) = text.find(END) {
        let start = text[..end].rfind("import {").expect("an import begins so");
        let names = text[start + "import {".len()..end].replace(" as ", ": ");
        let taken = format!("const {{{names}}} = core.loadExtScript(\"ext:conductor/00_ops.js\");");
        text.replace_range(start..end + END.len(), &taken);
    }
    text
}

/// Names that begin as those of ops do.
fn op_names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("op_"))
}

/// Scripts of ours in the place of other crates', as `crate/path`.
fn others(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for krate in entries(directory) {
        let name = krate.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for file in entries(&krate) {
            let path = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.push((format!("{name}/{path}"), read(&file)));
        }
    }
    found
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// A module with the names of the ops that the scripts call.
fn taken(ops: &BTreeSet<String>) -> String {
    let names: Vec<_> = ops.iter().map(|name| format!("\"{name}\"")).collect();
    format!("export const taken = [{}];\n", names.join(", "))
}

/// A module that loads every script, so that none is loaded when a program is there, and
/// has the table of the built-ins.
fn builtins(listed: &[Listed]) -> String {
    let mut text = String::from("import { core } from \"ext:core/mod.js\";\n");
    for (index, name) in BUILTINS.iter().enumerate() {
        text += &format!("import * as m{index} from \"node:{name}\";\n");
    }
    for script in listed.iter().filter(|script| script.kind == Kind::Module) {
        text += &format!("import \"{}\";\n", script.specifier);
    }
    for script in listed.iter().filter(|script| script.kind == Kind::Classic) {
        text += &format!("core.loadExtScript(\"{}\");\n", script.specifier);
    }
    text += "export const builtins = {\n  __proto__: null,\n";
    for (index, name) in BUILTINS.iter().enumerate() {
        text += &format!("  \"{name}\": m{index},\n");
    }
    text + "};\n"
}
