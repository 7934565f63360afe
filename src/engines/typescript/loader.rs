//! What a program may import: data: URLs, and modules that the server makes: the
//! tools of an MCP server (`mcp:name`) and playbooks (`playbook:name`). Nothing is
//! fetched and no file is read, whatever the specifier.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use deno_core::{
    ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader, ModuleResolveResponse,
    ModuleSource, ModuleSourceCode, ModuleSpecifier, ModuleType, ResolutionKind,
};
use deno_error::JsErrorBox;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::protocol::{Answer, MediaType, ModuleOperation, ModuleScheme, Operation};
use crate::snapshots::Host;
use crate::text::refusal::requires_flag;

use super::meta::{Home, MAIN};
use super::packages::{Packages, file_of};
use super::transpile::{Transpiled, transpile_import};

/// What the modules of MCP servers import. The symbol is that of js/12_mcp.js.
const TOOLS: &str = "conductor:tools";
const TOOLS_SOURCE: &str =
    "export const callTool = globalThis[Symbol.for('mcp-conductor.callTool')];";

/// The URL of the zygote's own program.
pub(super) const WARM_UP: &str = "file:///warm-up.ts";

/// Loads data: modules and keeps the source maps of everything transpiled.
#[derive(Default)]
pub(super) struct Loader {
    warming_up: Cell<bool>,
    host: RefCell<Option<Rc<dyn Host>>>,
    home: RefCell<Option<Home>>,
    packages: RefCell<Rc<Packages>>,
    /// Why this run has no packages.
    without_packages: RefCell<Option<String>>,
    source_maps: RefCell<HashMap<String, Vec<u8>>>,
}

impl Loader {
    /// Remembers how a transpiled module maps to its source.
    pub(super) fn add_source_map(&self, specifier: &str, map: Vec<u8>) {
        self.source_maps.borrow_mut().insert(specifier.to_owned(), map);
    }

    /// Lets [`WARM_UP`] be loaded, or not. No program can import it.
    pub(super) fn set_warming_up(&self, warming_up: bool) {
        self.warming_up.set(warming_up);
    }

    /// Whom to ask for modules of the server.
    pub(super) fn set_host(&self, host: Rc<dyn Host>) {
        *self.host.borrow_mut() = Some(host);
    }

    /// What is installed.
    pub(super) fn set_packages(&self, packages: Rc<Packages>) {
        *self.packages.borrow_mut() = packages;
    }

    /// Why this run has no packages, in words for a program's author.
    pub(super) fn set_without_packages(&self, why: Option<String>) {
        *self.without_packages.borrow_mut() = why;
    }

    /// Where the program believes to stand.
    pub(super) fn set_home(&self, home: Home) {
        *self.home.borrow_mut() = Some(home);
    }

    /// The URL of a file beside the program, which can be named and not imported.
    fn beside(&self, specifier: &str, referrer: &str) -> Option<ModuleSpecifier> {
        let relative = specifier.starts_with("./") && !specifier.starts_with("./mcp/")
            || specifier.starts_with("../")
            || specifier.starts_with('/');
        let home = self.home.borrow();
        home.as_ref().filter(|_| relative && referrer == MAIN)?.url().join(specifier).ok()
    }

    /// Asks the server for a module.
    fn from_server(self: Rc<Self>, url: ModuleSpecifier) -> ModuleLoadResponse {
        let host = self.host.borrow().clone();
        ModuleLoadResponse::Async(Box::pin(async move {
            let over = || JsErrorBox::generic("there is no server to load modules");
            let specifier = server_specifier(&url);
            let import = Operation::Module(ModuleOperation::Import { specifier });
            let answer = host.ok_or_else(over)?.call(import).await;
            let module = match answer {
                Ok(Answer::Module(module)) => module,
                Ok(_) => return Err(over()),
                Err(error) => return Err(JsErrorBox::from_err(error)),
            };
            self.compiled(&url, module.media_type, module.source)
        }))
    }

    fn of_data_url(&self, url: &ModuleSpecifier) -> Result<ModuleSource, JsErrorBox> {
        let (media_type, source) = parse_data_url(url)?;
        let media_type = match media_type.as_str() {
            "text/javascript" => MediaType::JavaScript,
            "application/typescript" => MediaType::TypeScript,
            "application/json" => MediaType::Json,
            // RFC 9239 made text/javascript the one name and the others obsolete.
            other => {
                return Err(JsErrorBox::type_error(format!(
                    "A data: module must have the type text/javascript, application/typescript \
                     or application/json, not \"{other}\""
                )));
            }
        };
        self.compiled(url, media_type, source)
    }

    /// A source as V8 takes it. TypeScript becomes JavaScript, with its source map kept.
    fn compiled(
        &self,
        url: &ModuleSpecifier,
        media_type: MediaType,
        source: String,
    ) -> Result<ModuleSource, JsErrorBox> {
        let (module_type, code) = match media_type {
            MediaType::JavaScript => (ModuleType::JavaScript, source),
            MediaType::Json => (ModuleType::Json, source),
            MediaType::TypeScript => {
                let Transpiled { code, source_map } = transpile_import(url, &source)
                    .map_err(|error| JsErrorBox::new("SyntaxError", error.message))?;
                self.add_source_map(url.as_str(), source_map);
                (ModuleType::JavaScript, code)
            }
        };
        let code = ModuleSourceCode::String(code.into());
        Ok(ModuleSource::new(module_type, code, url, None))
    }
}

/// The loader as V8's callbacks hold it.
pub(super) struct SharedLoader(pub Rc<Loader>);

impl ModuleLoader for SharedLoader {
    fn resolve(
        &self,
        specifier: &str,
        referrer: &str,
        _kind: ResolutionKind,
    ) -> ModuleResolveResponse {
        if specifier == WARM_UP && self.0.warming_up.get() {
            return Ok(ModuleSpecifier::parse(WARM_UP).expect("a valid URL"));
        }
        resolve(specifier, referrer)
    }

    fn import_meta_resolve(&self, specifier: &str, referrer: &str) -> ModuleResolveResponse {
        match self.0.beside(specifier, referrer) {
            Some(url) => Ok(url),
            None => self.resolve(specifier, referrer, ResolutionKind::DynamicImport),
        }
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        _referrer: Option<&ModuleLoadReferrer>,
        _options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        if specifier.as_str() == TOOLS {
            let code = ModuleSourceCode::String(TOOLS_SOURCE.to_owned().into());
            let source = ModuleSource::new(ModuleType::JavaScript, code, specifier, None);
            return ModuleLoadResponse::Sync(Ok(source));
        }
        if file_of(specifier).is_some() {
            return ModuleLoadResponse::Sync(self.0.packages.borrow().load(specifier));
        }
        if ModuleScheme::split(specifier.as_str()).is_some() {
            return self.0.clone().from_server(specifier.clone());
        }
        ModuleLoadResponse::Sync(self.0.of_data_url(specifier))
    }

    fn get_source_map(&self, file_name: &str) -> Option<Cow<'_, [u8]>> {
        self.0.source_maps.borrow().get(file_name).cloned().map(Cow::Owned)
    }
}

fn resolve(specifier: &str, referrer: &str) -> Result<ModuleSpecifier, JsErrorBox> {
    if specifier == TOOLS && referrer.starts_with("mcp:") {
        return ModuleSpecifier::parse(TOOLS).map_err(JsErrorBox::from_err);
    }
    if let Some(url) = of_package(specifier, referrer) {
        return Ok(url);
    }
    let of_server = match specifier.strip_prefix("./mcp/").or(specifier.strip_prefix("mcp/")) {
        Some(name) => Some((ModuleScheme::Mcp, name.strip_suffix(".ts").unwrap_or(name))),
        None => ModuleScheme::split(specifier),
    };
    if let Some((scheme, name)) = of_server {
        return server_url(scheme, name);
    }
    if let Ok(url) = ModuleSpecifier::parse(specifier) {
        if url.scheme() == "data" || url.as_str() == MAIN && referrer == "." {
            return Ok(url);
        }
        return Err(refusal(specifier, &url));
    }
    Err(JsErrorBox::type_error(format!(
        "Import \"{specifier}\" is not available: a program is one file. Put the code into it, \
         or import \"mcp:SERVER\", \"playbook:FOLDER\" or a data: URL"
    )))
}

/// The URL of a package's module, which other modules of packages name, and the zygote
/// (whose referrer is `.`), and no program.
fn of_package(specifier: &str, referrer: &str) -> Option<ModuleSpecifier> {
    let referrer = match referrer {
        "." => return ModuleSpecifier::parse(specifier).ok().filter(|url| file_of(url).is_some()),
        referrer => ModuleSpecifier::parse(referrer).ok()?,
    };
    file_of(&referrer)?;
    referrer.join(specifier).ok().filter(|url| file_of(url).is_some())
}

/// A URL with any name in it: whatever is not a letter, digit, `-`, `_` or `.` is
/// percent-encoded.
fn server_url(scheme: ModuleScheme, name: &str) -> Result<ModuleSpecifier, JsErrorBox> {
    const KEPT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'@').remove(b'/');
    let scheme = scheme.name();
    if name.is_empty() {
        return Err(JsErrorBox::type_error(format!("\"{scheme}:\" is followed by a name")));
    }
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    let encoded = utf8_percent_encode(&decoded, KEPT);
    ModuleSpecifier::parse(&format!("{scheme}:{encoded}")).map_err(JsErrorBox::from_err)
}

/// What the server is asked for.
fn server_specifier(url: &ModuleSpecifier) -> String {
    format!("{}:{}", url.scheme(), percent_decode_str(url.path()).decode_utf8_lossy())
}

fn refusal(specifier: &str, url: &ModuleSpecifier) -> JsErrorBox {
    let message = match url.scheme() {
        "http" | "https" => {
            let host = url.host_str().unwrap_or_default();
            let port = url.port_or_known_default().unwrap_or_default();
            let host = format!("{host}:{port}");
            let refused = requires_flag("import", Some(&host), "--allow-import");
            format!("{refused}. This server does not load remote modules")
        }
        "file" => {
            let refused = requires_flag("read", Some(url.path()), "--allow-read");
            format!("{refused}. This server does not load modules from files")
        }
        "npm" | "jsr" | "node" => format!(
            "Import \"{specifier}\" is not available: there are no packages here. Use the web \
             platform's APIs (URL, crypto.subtle, streams, Intl) or put the code into the program"
        ),
        scheme => {
            format!("Import \"{specifier}\" is not available: unsupported scheme \"{scheme}\"")
        }
    };
    JsErrorBox::type_error(message)
}

/// Media type and decoded body of a data: URL (RFC 2397).
fn parse_data_url(url: &ModuleSpecifier) -> Result<(String, String), JsErrorBox> {
    let invalid = || JsErrorBox::type_error("Unable to decode the data: URL");
    let url = data_url::DataUrl::process(url.as_str()).map_err(|_| invalid())?;
    let mime = url.mime_type();
    let media_type = format!("{}/{}", mime.type_, mime.subtype);
    let (body, _) = url.decode_to_vec().map_err(|_| invalid())?;
    Ok((media_type, String::from_utf8(body).map_err(|_| invalid())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(specifier: &str) -> String {
        resolve(specifier, MAIN).unwrap_err().to_string()
    }

    #[test]
    fn only_data_urls_resolve() {
        assert!(resolve("data:text/javascript,1", MAIN).is_ok());
        for specifier in [
            "ext:core/ops",
            "node:fs",
            "npm:x",
            "jsr:@a/b",
            "./x.js",
            "__proto__",
            "x",
            "file:///etc/passwd",
            "https://example.com/x.js",
            "blob:null/1",
            MAIN,
        ] {
            assert!(resolve(specifier, MAIN).is_err(), "{specifier}");
        }
    }

    #[test]
    fn a_remote_import_is_refused_in_denos_words() {
        assert_eq!(
            message("https://evil.example/mod.js"),
            "Requires import access to \"evil.example:443\", run again with the --allow-import \
             flag. This server does not load remote modules"
        );
    }

    #[test]
    fn a_data_url_is_decoded_with_its_type() {
        let parse = |url: &str| parse_data_url(&ModuleSpecifier::parse(url).unwrap()).unwrap();
        assert_eq!(
            parse("data:text/javascript;charset=utf-8;base64,ZXhwb3J0IGRlZmF1bHQgMQ=="),
            ("text/javascript".into(), "export default 1".into())
        );
        assert_eq!(parse("data:application/json,%7B%7D"), ("application/json".into(), "{}".into()));
    }
}
