//! Where modules come from: `data:` URLs have their own source, the server makes those of
//! MCP servers (`mcp:name`) and playbooks (`playbook:name`) and reads files of the
//! workspace as far as the run's grants go, and packages are in the zygote.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use deno_core::{
    ModuleCodeBytes, ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader,
    ModuleResolveResponse, ModuleSource, ModuleSourceCode, ModuleSpecifier, ModuleType,
    RequestedModuleType, ResolutionKind,
};
use deno_error::{JsErrorBox, JsErrorClass as _};
use percent_encoding::percent_decode_str;

use super::data_url;
use super::import_map::WorkspaceMap;
use super::local::{self, Form};
use super::meta::{Home, MAIN};
use super::packages::{Packages, file_of};
use super::resolve::{PACKAGE, Resolved, Surroundings, TOOLS, quoted, resolve};
use super::transpile::{Transpiled, transpile_import};
use crate::protocol::{
    Answer, FileOperation, MediaType, ModuleOperation, ModuleScheme, Operation, ProgramError,
};
use crate::snapshots::{CallError, Host};

const TOOLS_SOURCE: &str =
    "export const callTool = globalThis[Symbol.for('mcp-conductor.callTool')];";

/// The URL of the zygote's own program.
pub(super) const WARM_UP: &str = "file:///warm-up.ts";

/// Why a package that is installed is not in this worker, which was started before.
const CHANGED: &str = "the installed packages were changed while the program was starting. Run it \
                       again";

/// Why there are no built-ins and packages, where nothing more is known.
const PLAIN: &str = "this run's engine has neither built-in modules nor packages. Write the import \
                     in the program itself, as in import fs from \"node:fs\"";

/// Loads modules and keeps the source maps of everything transpiled.
#[derive(Default)]
pub(super) struct Loader {
    warming_up: Cell<bool>,
    host: RefCell<Option<Rc<dyn Host>>>,
    home: RefCell<Option<Home>>,
    packages: RefCell<Rc<Packages>>,
    has_builtins: Cell<bool>,
    /// Why this run has no packages.
    without_packages: RefCell<Option<String>>,
    map: OnceCell<Result<Option<WorkspaceMap>, String>>,
    /// The modules of packages, by the specifiers that were asked for.
    found: RefCell<HashMap<String, ModuleSpecifier>>,
    /// Which module was the first to import a file, for errors.
    importers: RefCell<HashMap<ModuleSpecifier, ModuleSpecifier>>,
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

    /// Where the program believes to stand.
    pub(super) fn set_home(&self, home: Home) {
        *self.home.borrow_mut() = Some(home);
    }

    /// What is installed.
    pub(super) fn set_packages(&self, packages: Rc<Packages>) {
        *self.packages.borrow_mut() = packages;
    }

    /// The isolate has the `node:` built-ins.
    pub(super) fn set_builtins(&self, has_builtins: bool) {
        self.has_builtins.set(has_builtins);
    }

    /// Why this run has no packages, in words for a program's author.
    pub(super) fn set_without_packages(&self, why: Option<String>) {
        *self.without_packages.borrow_mut() = why;
    }

    fn host(&self) -> Result<Rc<dyn Host>, JsErrorBox> {
        let none = || JsErrorBox::generic("there is no server to load modules");
        self.host.borrow().clone().ok_or_else(none)
    }

    fn why_not(&self) -> String {
        let known = self.without_packages.borrow().clone();
        known.unwrap_or_else(|| if self.has_builtins.get() { CHANGED } else { PLAIN }.to_owned())
    }

    /// Asks the server for a module.
    async fn from_server(self: Rc<Self>, url: ModuleSpecifier) -> LoadedModule {
        let specifier = server_specifier(&url);
        let import = Operation::Module(ModuleOperation::Import { specifier });
        match self.host()?.call(import).await {
            Ok(Answer::Module(module)) => self.compiled(&url, module.media_type, module.source),
            Ok(_) => Err(JsErrorBox::generic("there is no server to load modules")),
            Err(error) => Err(JsErrorBox::from_err(error)),
        }
    }

    /// A file, which the server opens as it opens every file.
    async fn from_file(
        self: Rc<Self>,
        url: ModuleSpecifier,
        requested: RequestedModuleType,
    ) -> LoadedModule {
        let specifier = url.as_str().to_owned();
        let import = Operation::Module(ModuleOperation::Import { specifier });
        let bytes = match self.host()?.call(import).await {
            Ok(Answer::Bytes(bytes)) => bytes.into_vec(),
            Ok(_) => Vec::new(),
            Err(error) if is_missing(&error) => {
                let is_directory = error.0.class == "IsADirectory";
                let meant = self.meant(&url).await;
                let importer = self.importer(&url);
                return Err(local::not_found(&url, is_directory, meant.as_ref(), &importer));
            }
            Err(error) => return Err(JsErrorBox::from_err(error)),
        };
        match local::form(&url, &requested)? {
            Form::JavaScript => {
                let source = text(bytes);
                local::check_exports(&url, &source)?;
                self.compiled(&url, MediaType::JavaScript, source)
            }
            Form::TypeScript => {
                local::check_size(&url, bytes.len())?;
                self.compiled(&url, MediaType::TypeScript, text(bytes))
            }
            Form::Json => {
                let source = text(bytes);
                local::check_json(&url, &source)?;
                self.compiled(&url, MediaType::Json, source)
            }
            Form::Text => {
                let code = ModuleSourceCode::String(text(bytes).into());
                Ok(ModuleSource::new(ModuleType::Text, code, &url, None))
            }
            Form::Bytes => {
                let code = ModuleSourceCode::Bytes(ModuleCodeBytes::Boxed(bytes.into()));
                Ok(ModuleSource::new(ModuleType::Bytes, code, &url, None))
            }
        }
    }

    /// What the specifier of a file was relative to.
    fn importer(&self, url: &ModuleSpecifier) -> ModuleSpecifier {
        let importer = self.importers.borrow().get(url).cloned();
        let home = || self.home.borrow().as_ref().map(|home| home.url().clone());
        importer
            .filter(|importer| importer.scheme() == "file" && importer.as_str() != MAIN)
            .or_else(home)
            .unwrap_or_else(|| url.clone())
    }

    /// Remembers who imports a file, and says it in the error of a specifier that means
    /// nothing, unless that is the program.
    fn imported(&self, resolved: Resolved, referrer: &str) -> Resolved {
        let Ok(importer) = ModuleSpecifier::parse(referrer) else { return resolved };
        match &resolved {
            Ok(url) if url.scheme() == "file" => {
                self.importers.borrow_mut().entry(url.clone()).or_insert(importer);
            }
            Err(error) if importer.scheme() == "file" && referrer != MAIN => {
                return Err(local::imported_at(error, referrer));
            }
            Ok(_) | Err(_) => {}
        }
        resolved
    }

    /// The first file that may have been meant and that the program may see.
    async fn meant(&self, url: &ModuleSpecifier) -> Option<ModuleSpecifier> {
        let host = self.host().ok()?;
        for candidate in local::candidates(url) {
            let path = candidate.to_file_path().ok()?.to_str()?.to_owned();
            let stat = Operation::File(FileOperation::Stat { path, follow: true });
            match host.call(stat).await {
                Ok(Answer::Stat(stat)) if stat.is_file => return Some(candidate),
                Ok(_) => {}
                Err(error) if is_missing(&error) => {}
                // What is denied once is denied again, and audited each time.
                Err(_) => return None,
            }
        }
        None
    }

    /// A file of a package, which is in the zygote.
    fn of_package(
        &self,
        url: &ModuleSpecifier,
        file: &str,
        requested: &RequestedModuleType,
    ) -> LoadedModule {
        let packages = self.packages.borrow().clone();
        let is_json = matches!(packages.source(file), Some((_, MediaType::Json)));
        if is_json && *requested != RequestedModuleType::Json {
            return Err(JsErrorBox::type_error(
                "Expected a JavaScript module, but identified a Json module. Import it with { \
                 type: \"json\" }",
            ));
        }
        packages.load(url)
    }

    /// A source as V8 takes it. TypeScript becomes JavaScript, with its source map kept.
    fn compiled(
        &self,
        url: &ModuleSpecifier,
        media_type: MediaType,
        source: String,
    ) -> LoadedModule {
        let (module_type, code) = match media_type {
            MediaType::JavaScript => (ModuleType::JavaScript, source),
            MediaType::Json => (ModuleType::Json, source),
            MediaType::TypeScript => {
                let Transpiled { code, source_map } = transpile_import(url, &source)
                    .map_err(|error| JsErrorBox::new("SyntaxError", in_file(url, *error)))?;
                self.add_source_map(url.as_str(), source_map);
                (ModuleType::JavaScript, code)
            }
        };
        let code = ModuleSourceCode::String(code.into());
        Ok(ModuleSource::new(module_type, code, url, None))
    }

    /// The workspace's import map, which is asked for once.
    fn map(&self) -> &Result<Option<WorkspaceMap>, String> {
        self.map.get_or_init(|| {
            let Ok(host) = self.host() else { return Ok(None) };
            let answer = host.call_sync(Operation::Module(ModuleOperation::ImportMap));
            let files = match answer {
                Ok(Answer::ImportMap { files }) => files,
                Ok(_) => Vec::new(),
                Err(error) => return Err(error.to_string()),
            };
            let home = self.home.borrow();
            let directory = home.as_ref().and_then(|home| home.url().join(".").ok());
            match directory {
                Some(directory) if !files.is_empty() => {
                    WorkspaceMap::parse(&files, &directory).map(Some)
                }
                _ => Ok(None),
            }
        })
    }

    /// Asks the server which module of a package a specifier means.
    fn ask_for_package(&self, specifier: &str) -> Resolved {
        if let Some(url) = self.found.borrow().get(specifier) {
            return Ok(url.clone());
        }
        let import = ModuleOperation::Import { specifier: specifier.to_owned() };
        let file = match self.host()?.call_sync(Operation::Module(import)) {
            Ok(Answer::Package { file }) => file,
            Ok(_) => return Err(JsErrorBox::generic("the server has no packages")),
            Err(error) => return Err(JsErrorBox::from_err(error)),
        };
        if self.packages.borrow().source(&file).is_none() {
            return Err(JsErrorBox::type_error(format!(
                "Import {} is not available: {}",
                quoted(specifier),
                self.why_not()
            )));
        }
        let url = ModuleSpecifier::parse(&format!("{PACKAGE}:///{file}"));
        let url = url.map_err(JsErrorBox::from_err)?;
        self.found.borrow_mut().insert(specifier.to_owned(), url.clone());
        Ok(url)
    }
}

impl Surroundings for Loader {
    fn home(&self) -> Option<ModuleSpecifier> {
        self.home.borrow().as_ref().map(|home| home.url().clone())
    }

    fn without_builtins(&self) -> Option<String> {
        (!self.has_builtins.get()).then(|| self.why_not())
    }

    fn mapped(
        &self,
        specifier: &str,
        base: &ModuleSpecifier,
    ) -> Result<Option<ModuleSpecifier>, JsErrorBox> {
        let wrong = |error: &str| {
            JsErrorBox::type_error(format!(
                "Import {} cannot be resolved by the workspace's import map: {error}",
                quoted(specifier)
            ))
        };
        match self.map() {
            Ok(None) => Ok(None),
            Ok(Some(map)) => map.resolve(specifier, base).map_err(|error| wrong(&error)),
            Err(error) => Err(wrong(error)),
        }
    }

    fn package(&self, specifier: &str) -> Resolved {
        self.ask_for_package(specifier)
    }

    fn is_named(&self, specifier: &str, referrer: &str) -> bool {
        let url = ModuleSpecifier::parse(referrer).ok();
        let file = url.as_ref().and_then(file_of);
        file.is_some_and(|file| self.packages.borrow().is_named(specifier, file))
    }
}

/// The same for `import.meta.resolve`, which names a module and loads none: what a package
/// is resolved to is its specifier.
struct Named<'a>(&'a Loader);

impl Surroundings for Named<'_> {
    fn home(&self) -> Option<ModuleSpecifier> {
        self.0.home()
    }

    fn without_builtins(&self) -> Option<String> {
        self.0.without_builtins()
    }

    fn mapped(
        &self,
        specifier: &str,
        base: &ModuleSpecifier,
    ) -> Result<Option<ModuleSpecifier>, JsErrorBox> {
        self.0.mapped(specifier, base)
    }

    fn package(&self, specifier: &str) -> Resolved {
        ModuleSpecifier::parse(specifier).map_err(JsErrorBox::from_err)
    }

    fn is_named(&self, _specifier: &str, _referrer: &str) -> bool {
        true
    }
}

type LoadedModule = Result<ModuleSource, JsErrorBox>;

/// There is no file of that name, or a directory.
fn is_missing(error: &CallError) -> bool {
    matches!(error.0.class.as_str(), "NotFound" | "IsADirectory" | "NotADirectory")
}

/// The text of a file, as Deno decodes it.
fn text(bytes: Vec<u8>) -> String {
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// A syntax error with its place in the module, and the code around it.
fn in_file(url: &ModuleSpecifier, error: ProgramError) -> String {
    let ProgramError { message, line, column, frame, .. } = error;
    let (Some(line), Some(column)) = (line, column) else { return message };
    let frame = frame.map(|frame| format!("\n{frame}")).unwrap_or_default();
    format!("{message} at {url}:{line}:{column}{frame}")
}

/// What the server is asked for.
fn server_specifier(url: &ModuleSpecifier) -> String {
    format!("{}:{}", url.scheme(), percent_decode_str(url.path()).decode_utf8_lossy())
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
        self.0.imported(resolve(specifier, referrer, &*self.0), referrer)
    }

    fn import_meta_resolve(&self, specifier: &str, referrer: &str) -> ModuleResolveResponse {
        resolve(specifier, referrer, &Named(&self.0))
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        referrer: Option<&ModuleLoadReferrer>,
        options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        let loader = self.0.clone();
        let requested = options.requested_module_type;
        if specifier.as_str() == TOOLS {
            let code = ModuleSourceCode::String(TOOLS_SOURCE.to_owned().into());
            let source = ModuleSource::new(ModuleType::JavaScript, code, specifier, None);
            return ModuleLoadResponse::Sync(Ok(source));
        }
        if ModuleScheme::split(specifier.as_str()).is_some() {
            return ModuleLoadResponse::Async(Box::pin(loader.from_server(specifier.clone())));
        }
        if let Some(file) = file_of(specifier) {
            return ModuleLoadResponse::Sync(loader.of_package(specifier, file, &requested));
        }
        match specifier.scheme() {
            "file" => {
                let url = specifier.clone();
                let place = referrer.map(|referrer| {
                    let ModuleLoadReferrer { specifier, line_number, column_number } = referrer;
                    format!("{specifier}:{line_number}:{column_number}")
                });
                ModuleLoadResponse::Async(Box::pin(async move {
                    let loaded = loader.from_file(url, requested).await;
                    loaded.map_err(|error| match &place {
                        // What does not parse has its own place.
                        Some(place) if error.get_class() != "SyntaxError" => {
                            local::imported_at(&error, place)
                        }
                        Some(_) | None => error,
                    })
                }))
            }
            "data" => {
                ModuleLoadResponse::Sync(data_url::module(specifier).and_then(
                    |(media_type, source)| loader.compiled(specifier, media_type, source),
                ))
            }
            _ => ModuleLoadResponse::Sync(Err(JsErrorBox::type_error(format!(
                "Import {} is not available",
                quoted(specifier.as_str())
            )))),
        }
    }

    fn get_source_map(&self, file_name: &str) -> Option<Cow<'_, [u8]>> {
        self.0.source_maps.borrow().get(file_name).cloned().map(Cow::Owned)
    }
}
