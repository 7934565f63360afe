//! What a specifier means: the order in which its forms are looked at. V8 asks while it
//! links modules and waits for the answer.

use deno_core::ModuleSpecifier;
use deno_error::JsErrorBox;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::builtins::{BUILTINS, is_builtin};
use super::meta::MAIN;
use crate::protocol::{MAX_SPECIFIER_BYTES, ModuleScheme};
use crate::text::clip::visible;
use crate::text::near::near_names;
use crate::text::refusal::requires_flag;

/// What the modules of MCP servers import. The symbol is that of js/12_mcp.js.
pub(super) const TOOLS: &str = "conductor:tools";

/// The scheme of the modules of packages: `package:///FILE`.
pub(super) const PACKAGE: &str = "package";

/// Bytes of a specifier that an error quotes.
const MAX_QUOTED: usize = 200;

pub(super) type Resolved = Result<ModuleSpecifier, JsErrorBox>;

/// What the meaning of a specifier depends on, beside itself and its referrer.
pub(super) trait Surroundings {
    /// Where the program believes to stand; nothing in the zygote.
    fn home(&self) -> Option<ModuleSpecifier>;
    /// Why the `node:` built-ins cannot be imported, if that is so.
    fn without_builtins(&self) -> Option<String>;
    /// What the workspace's import map makes of a specifier that is not a URL.
    fn mapped(
        &self,
        specifier: &str,
        base: &ModuleSpecifier,
    ) -> Result<Option<ModuleSpecifier>, JsErrorBox>;
    /// The module of a package, for a specifier `npm:` or `jsr:`.
    fn package(&self, specifier: &str) -> Resolved;
    /// Whether the text of a package's module has a specifier in it.
    fn is_named(&self, specifier: &str, referrer: &str) -> bool;
}

/// The URL that a specifier means in a module.
pub(super) fn resolve(specifier: &str, referrer: &str, around: &dyn Surroundings) -> Resolved {
    if specifier.len() > MAX_SPECIFIER_BYTES {
        return Err(JsErrorBox::type_error(format!(
            "A specifier of {} bytes is too long: at most {MAX_SPECIFIER_BYTES} are accepted",
            specifier.len()
        )));
    }
    if specifier == TOOLS && referrer.starts_with("mcp:") {
        return parsed(TOOLS);
    }
    if referrer == "." {
        return root(specifier);
    }
    if referrer.starts_with("package:") {
        return in_package(specifier, referrer, around);
    }
    if let Some((scheme, name)) = of_server(specifier, referrer, around) {
        return server_url(scheme, name);
    }
    match ModuleSpecifier::parse(specifier) {
        Ok(url) => absolute(specifier, &url, around),
        Err(_) => relative_or_bare(specifier, referrer, around),
    }
}

fn parsed(url: &str) -> Resolved {
    ModuleSpecifier::parse(url).map_err(JsErrorBox::from_err)
}

/// What is loaded without a referrer: the program, and what the zygote links before there
/// is one.
fn root(specifier: &str) -> Resolved {
    let url = parsed(specifier)?;
    if specifier == MAIN || matches!(url.scheme(), PACKAGE | "data") {
        return Ok(url);
    }
    Err(refusal(specifier, &url))
}

/// An import of a package's module. The bundler left few: its other modules, built-ins, and
/// what is not installed. Code that a package makes of a text (`new Function`, templates) has
/// that package for its referrer: it reaches no module that the package does not name itself,
/// which may be of a package that this run is not allowed.
fn in_package(specifier: &str, referrer: &str, around: &dyn Surroundings) -> Resolved {
    let is_relative = specifier.starts_with("./") || specifier.starts_with("../");
    if is_relative && around.is_named(specifier, referrer) {
        return parsed(referrer)?.join(specifier).map_err(JsErrorBox::from_err);
    }
    if is_builtin(specifier) {
        return builtin_url(specifier);
    }
    if specifier.starts_with("data:") {
        return parsed(specifier);
    }
    let file = referrer.trim_start_matches("package:///");
    Err(JsErrorBox::type_error(format!(
        "Import {} of the package module {file} is not available: it was not installed with the \
         package, as an optional dependency or one whose name is made up while it runs",
        quoted(specifier)
    )))
}

/// The tools of a server, or a playbook. `./mcp/NAME.ts` is what the Deno version had beside
/// the program.
fn of_server<'s>(
    specifier: &'s str,
    referrer: &str,
    around: &dyn Surroundings,
) -> Option<(ModuleScheme, &'s str)> {
    let beside = specifier.strip_prefix("./mcp/").filter(|_| is_beside(referrer, around));
    match beside.or_else(|| specifier.strip_prefix("mcp/")) {
        Some(name) => Some((ModuleScheme::Mcp, name.strip_suffix(".ts").unwrap_or(name))),
        None => ModuleScheme::split(specifier),
    }
}

/// Whether what is relative to a module is relative to the program.
fn is_beside(referrer: &str, around: &dyn Surroundings) -> bool {
    if referrer == MAIN || !referrer.starts_with("file:") {
        return true;
    }
    let directory = |url: &ModuleSpecifier| url.join(".").ok();
    let own = ModuleSpecifier::parse(referrer).ok();
    match (own, around.home()) {
        (Some(own), Some(home)) => directory(&own) == directory(&home),
        _ => false,
    }
}

fn absolute(specifier: &str, url: &ModuleSpecifier, around: &dyn Surroundings) -> Resolved {
    match url.scheme() {
        "data" => Ok(url.clone()),
        // `npm:/zod@3/v4` is how import maps write it.
        "npm" | "jsr" => {
            let (scheme, rest) = specifier.split_once(':').unwrap_or_default();
            around.package(&format!("{scheme}:{}", rest.strip_prefix('/').unwrap_or(rest)))
        }
        "node" => builtin(specifier, around),
        "file" => file(url),
        _ => Err(refusal(specifier, url)),
    }
}

/// What an import map made of a specifier.
fn mapped(url: &ModuleSpecifier, around: &dyn Surroundings) -> Resolved {
    if let Some((scheme, name)) = ModuleScheme::split(url.as_str()) {
        return server_url(scheme, name);
    }
    // A path that begins with a slash was percent-encoded when it became a URL.
    let text = match url.path().starts_with('/') && matches!(url.scheme(), "npm" | "jsr") {
        true => percent_decode_str(url.as_str()).decode_utf8_lossy(),
        false => url.as_str().into(),
    };
    absolute(&text, url, around)
}

fn relative_or_bare(specifier: &str, referrer: &str, around: &dyn Surroundings) -> Resolved {
    let is_relative = ["./", "../", "/"].iter().any(|start| specifier.starts_with(start));
    let in_file = referrer.starts_with("file:");
    if is_relative && !in_file {
        return Err(JsErrorBox::type_error(format!(
            "Import {} is not available: this module has no directory. Import \"mcp:SERVER\", \
             \"playbook:FOLDER\", a package or a data: URL",
            quoted(specifier)
        )));
    }
    let base = match in_file && referrer != MAIN {
        true => Some(parsed(referrer)?),
        false => around.home(),
    };
    if let Some(base) = base {
        if let Some(url) = around.mapped(specifier, &base)? {
            return mapped(&url, around);
        }
        if is_relative {
            return file(&base.join(specifier).map_err(JsErrorBox::from_err)?);
        }
    }
    if is_builtin(specifier) { builtin(specifier, around) } else { Err(unmapped(specifier)) }
}

fn unmapped(specifier: &str) -> JsErrorBox {
    let package = match with_scheme(specifier) {
        Some(package) => format!("{}, if that is meant", quoted(&package)),
        None => "\"npm:NAME\" or \"jsr:@SCOPE/NAME\"".to_owned(),
    };
    JsErrorBox::type_error(format!(
        "Import {} is not available: neither \"imports\" of the workspace's deno.json nor \
         \"dependencies\" of its package.json has that name. Import a package as {package}, a file \
         of the workspace as \"./FILE.ts\"",
        quoted(specifier)
    ))
}

/// Bytes of a package's name, npm's own limit.
const MAX_NAME: usize = 214;

/// A bare name that may be one of a package, as it is imported.
fn with_scheme(specifier: &str) -> Option<String> {
    let first = specifier.strip_prefix('@').unwrap_or(specifier);
    let is_name = specifier.len() <= MAX_NAME
        && first.starts_with(|c: char| c.is_ascii_alphanumeric())
        && first.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-~^/@".contains(&b));
    // The standard library of Deno is JSR's.
    let scheme = if specifier.starts_with("@std/") { "jsr" } else { "npm" };
    is_name.then(|| format!("{scheme}:{specifier}"))
}

fn builtin_url(specifier: &str) -> Resolved {
    parsed(&format!("node:{}", specifier.strip_prefix("node:").unwrap_or(specifier)))
}

fn builtin(specifier: &str, around: &dyn Surroundings) -> Resolved {
    let shown = quoted(specifier);
    if !is_builtin(specifier) {
        return Err(JsErrorBox::type_error(format!(
            "Import {shown} is not available: there is no built-in module of that name here{}",
            instead_of_builtin(specifier)
        )));
    }
    match around.without_builtins() {
        None => builtin_url(specifier),
        Some(why) => Err(JsErrorBox::type_error(format!("Import {shown} is not available: {why}"))),
    }
}

/// What to do without a built-in that Node has, or the one that may have been meant.
fn instead_of_builtin(specifier: &str) -> String {
    let name = specifier.strip_prefix("node:").unwrap_or(specifier);
    match name {
        "sqlite" => {
            ". Keep data in files of the workspace, or run sqlite3 with Deno.Command".into()
        }
        "test" | "test/reporters" => ". Use node:assert, and throw what fails".into(),
        name => match near_names(name, BUILTINS.iter().copied()).first() {
            Some(near) => format!(": did you mean \"node:{near}\"?"),
            None => String::new(),
        },
    }
}

/// A file that the server is asked for when it is loaded.
fn file(url: &ModuleSpecifier) -> Resolved {
    if url.as_str() == MAIN {
        return Err(JsErrorBox::type_error("A program cannot import itself"));
    }
    if url.to_file_path().is_err() {
        return Err(JsErrorBox::type_error(format!(
            "Import {} is not available: it is not the URL of a file of this machine, such as \
             \"file:///srv/lib.ts\"",
            quoted(url.as_str())
        )));
    }
    Ok(url.clone())
}

/// A URL with any name in it: whatever is not a letter, digit, `-`, `_` or `.` is
/// percent-encoded.
fn server_url(scheme: ModuleScheme, name: &str) -> Resolved {
    const KEPT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'@').remove(b'/');
    let scheme = scheme.name();
    if name.is_empty() {
        return Err(JsErrorBox::type_error(format!("\"{scheme}:\" is followed by a name")));
    }
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    let encoded = utf8_percent_encode(&decoded, KEPT);
    parsed(&format!("{scheme}:{encoded}"))
}

fn refusal(specifier: &str, url: &ModuleSpecifier) -> JsErrorBox {
    let shown = quoted(specifier);
    let message = match url.scheme() {
        "http" | "https" => {
            let host = url.host_str().unwrap_or_default();
            let port = url.port_or_known_default().unwrap_or_default();
            let host = format!("{host}:{port}");
            let refused = requires_flag("import", Some(&host), "--allow-import");
            format!("{refused}. This server does not load remote modules")
        }
        PACKAGE => format!(
            "Import {shown} is not available: a package is imported by its name, such as \
             \"npm:zod\""
        ),
        scheme => format!("Import {shown} is not available: unsupported scheme \"{scheme}\""),
    };
    JsErrorBox::type_error(message)
}

/// A specifier in an error.
pub(super) fn quoted(specifier: &str) -> String {
    format!("\"{}\"", visible(specifier, MAX_QUOTED))
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
