//! Which scripts the crate deno_node has, read from the lists in its `lib.rs`.

/// How a script is loaded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An ES module.
    Module,
    /// A function that is called where it lies, and returns what it exports.
    Classic,
}

/// A script and the name that others load it by.
pub(super) struct Listed {
    pub(super) kind: Kind,
    pub(super) specifier: String,
    /// Below the crate's `polyfills/`.
    pub(super) path: String,
}

/// Scripts that are not taken, by how their path begins: built-ins that are not available
/// here, and what only they load.
const LEFT_OUT: &[&str] = &[
    "_repl_preview.js",
    // Follows every promise once it is loaded.
    "domain",
    "inspector/promises",
    "internal/deps/undici/",
    "internal/repl.ts",
    "internal/test/",
    "repl.ts",
    "sqlite",
    "test/",
    "testing",
    "wasi",
];

/// The scripts that `lib.rs` lists, without those of [`LEFT_OUT`].
pub(super) fn scripts(lib: &str) -> Vec<Listed> {
    let modules = list(lib, "lazy_loaded_esm").map(|entry| listed(Kind::Module, entry));
    let classic = list(lib, "lazy_loaded_js").map(|entry| listed(Kind::Classic, entry));
    let is_taken = |script: &Listed| !LEFT_OUT.iter().any(|path| script.path.starts_with(path));
    modules.chain(classic).filter(is_taken).collect()
}

/// The entries of one list, each in one line: `"path"` or `"specifier" = "path"`.
fn list<'a>(lib: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!("\n  {name} = [\n");
    let start = lib.find(&begin).unwrap_or_else(|| panic!("deno_node has no list {name}"));
    let text = &lib[start + begin.len()..];
    let end = text.find("\n  ],").expect("the list ends");
    text[..end].lines().map(str::trim).filter(|line| line.starts_with('"'))
}

fn listed(kind: Kind, entry: &str) -> Listed {
    let mut texts = entry.split('"').skip(1).step_by(2);
    let first = texts.next().expect("the entry begins with a text");
    let (specifier, path) = match texts.next() {
        Some(path) => (first.to_owned(), path),
        None => (format!("ext:deno_node/{first}"), first),
    };
    Listed { kind, specifier, path: path.to_owned() }
}
