//! What a program may import: data: URLs, and nothing else yet. Nothing is
//! fetched and no file is read, whatever the specifier.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use deno_core::{
    ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader, ModuleResolveResponse,
    ModuleSource, ModuleSourceCode, ModuleSpecifier, ModuleType, ResolutionKind,
};
use deno_error::JsErrorBox;

use super::transpile::{Transpiled, transpile_import};

/// The program's own URL: virtual, it tells nothing about the machine.
pub(super) const MAIN: &str = "file:///main.ts";

/// The URL of the zygote's own program.
pub(super) const WARM_UP: &str = "file:///warm-up.ts";

/// Loads data: modules and keeps the source maps of everything transpiled.
#[derive(Default)]
pub(super) struct Loader {
    warming_up: Cell<bool>,
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

    fn source(&self, url: &ModuleSpecifier) -> Result<(ModuleType, String), JsErrorBox> {
        let (media_type, body) = parse_data_url(url)?;
        match media_type.as_str() {
            "text/javascript" => Ok((ModuleType::JavaScript, body)),
            "application/json" => Ok((ModuleType::Json, body)),
            "application/typescript" => {
                let Transpiled { code, source_map } = transpile_import(url, &body)
                    .map_err(|error| JsErrorBox::new("SyntaxError", error.message))?;
                self.add_source_map(url.as_str(), source_map);
                Ok((ModuleType::JavaScript, code))
            }
            // RFC 9239 made text/javascript the one name and the others obsolete.
            other => Err(JsErrorBox::type_error(format!(
                "A data: module must have the type text/javascript, application/typescript \
                 or application/json, not \"{other}\""
            ))),
        }
    }
}

impl ModuleLoader for Loader {
    fn resolve(
        &self,
        specifier: &str,
        referrer: &str,
        _kind: ResolutionKind,
    ) -> ModuleResolveResponse {
        if specifier == WARM_UP && self.warming_up.get() {
            return Ok(ModuleSpecifier::parse(WARM_UP).expect("a valid URL"));
        }
        resolve(specifier, referrer)
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        _referrer: Option<&ModuleLoadReferrer>,
        _options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        ModuleLoadResponse::Sync(self.source(specifier).map(|(module_type, code)| {
            ModuleSource::new(module_type, ModuleSourceCode::String(code.into()), specifier, None)
        }))
    }

    fn get_source_map(&self, file_name: &str) -> Option<Cow<'_, [u8]>> {
        self.source_maps.borrow().get(file_name).cloned().map(Cow::Owned)
    }
}

fn resolve(specifier: &str, referrer: &str) -> Result<ModuleSpecifier, JsErrorBox> {
    if let Ok(url) = ModuleSpecifier::parse(specifier) {
        if url.scheme() == "data" || url.as_str() == MAIN && referrer == "." {
            return Ok(url);
        }
        return Err(refusal(specifier, &url));
    }
    Err(JsErrorBox::type_error(format!(
        "Import \"{specifier}\" is not available: a program is one file. Put the code into it, \
         or import a data: URL"
    )))
}

fn refusal(specifier: &str, url: &ModuleSpecifier) -> JsErrorBox {
    let message = match url.scheme() {
        "http" | "https" => {
            let host = url.host_str().unwrap_or_default();
            let port = url.port_or_known_default().unwrap_or_default();
            format!(
                "Requires import access to \"{host}:{port}\", run again with the --allow-import \
                 flag. This server does not load remote modules"
            )
        }
        "file" => format!(
            "Requires read access to \"{}\", run again with the --allow-read flag. This server \
             does not load modules from files",
            url.path()
        ),
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
