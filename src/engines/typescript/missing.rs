//! Names of other platforms that models use: what there is instead.

/// V8's words after a name that nothing defines.
const NOT_DEFINED: &str = " is not defined";

/// Each name with what to use.
const INSTEAD: [(&str, &str); 18] = [
    (
        "Buffer",
        "use Uint8Array, with toBase64(), toHex(), Uint8Array.fromBase64() and \
         Uint8Array.fromHex(); TextEncoder and TextDecoder for text",
    ),
    (
        "process",
        "use Deno.env.get(NAME) for process.env, Deno.cwd(), Deno.exit(CODE), and \
         Deno.stdout.write(BYTES) or console.log() for process.stdout",
    ),
    (
        "require",
        "a program is an ES module without packages: use Deno.readTextFile() and similar \
         functions for files, and the web platform's APIs (fetch, URL, crypto.subtle)",
    ),
    ("module", EXPORTS),
    ("exports", EXPORTS),
    ("__dirname", "use import.meta.dirname, the workspace"),
    ("__filename", "use import.meta.filename"),
    ("setImmediate", "use setTimeout(CALLBACK, 0)"),
    ("clearImmediate", "use setTimeout(CALLBACK, 0) and clearTimeout(ID)"),
    ("global", "use globalThis"),
    ("window", "use globalThis; there is no page"),
    ("document", NO_PAGE),
    ("DOMParser", NO_PAGE),
    ("XMLHttpRequest", "use fetch()"),
    ("localStorage", STORAGE),
    ("sessionStorage", STORAGE),
    ("Worker", "a run has one thread: use Promise.all for what waits"),
    ("Bun", "use Deno's API, such as Deno.readTextFile() and Deno.Command"),
];

const EXPORTS: &str =
    "a program is an ES module: use return, or export default, to give its value back";
const NO_PAGE: &str = "there is no page and no HTML parser: work on the text";
const STORAGE: &str = "use Deno.writeTextFile(): only files in the workspace are kept";

/// What to use instead of the name that a ReferenceError's message says is not defined.
pub(super) fn instead_of(message: &str) -> Option<&'static str> {
    let name = message.strip_suffix(NOT_DEFINED)?;
    INSTEAD.iter().find(|(missing, _)| *missing == name).map(|(_, instead)| *instead)
}
