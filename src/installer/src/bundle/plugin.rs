//! The hooks of rolldown: every module that is asked for is a file inside of the store,
//! a built-in, or a module that throws.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rolldown_common::{ImportKind, ModuleInfo, ModuleType, NormalModule, ResolvedId};
use rolldown_plugin::{
    HookLoadArgs, HookLoadOutput, HookLoadReturn, HookNoopReturn, HookResolveIdArgs,
    HookResolveIdOutput, HookResolveIdReturn, HookUsage, Plugin, PluginContext,
    PluginContextResolveOptions, SharedLoadPluginContext,
};

use super::builtins::is_builtin;
use super::own_place::place_texts;
use super::package::read_bounded;
use super::places::Places;
use super::record::{Found, Record, Way};
use super::stubs;

/// What begins the request of an entry; its number follows.
pub(super) const ENTRY: &str = "mcp-conductor-entry:";
/// The largest module that is read. typescript's, with 9 MiB, is the largest of the
/// corpus.
const MAX_MODULE: u64 = 64 << 20;

/// What an entry asks for.
#[derive(Debug)]
pub(super) struct Request {
    /// `zod/v4` by the package's own name, `./server` without `exports`.
    pub specifier: String,
    /// A path inside of the package, which need not exist.
    pub importer: String,
    /// The name of the package.
    pub package: String,
    pub has_types: bool,
}

/// The plugin of one build.
#[derive(Debug)]
pub(super) struct Store {
    pub places: Arc<Places>,
    pub requests: Vec<Request>,
    /// Files that could not be parsed before, and what is wrong with them.
    pub broken: HashMap<String, String>,
    pub record: Mutex<Record>,
}

impl Store {
    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn entry(&self, ctx: &PluginContext, number: usize) -> HookResolveIdReturn {
        let Some(request) = self.requests.get(number) else { return Ok(None) };
        let mut resolved = None;
        // A package whose exports are for `require` only can be imported by Deno too.
        for kind in [ImportKind::Import, ImportKind::Require] {
            if resolved.is_none() {
                let asked = ctx.resolve(&request.specifier, Some(&request.importer), options(kind));
                resolved = asked.await?.ok();
            }
        }
        let (found, output) = self.found(request, resolved);
        self.record().entries.insert(number, found);
        Ok(Some(output))
    }

    fn found(
        &self,
        request: &Request,
        resolved: Option<ResolvedId>,
    ) -> (Found, HookResolveIdOutput) {
        let nothing =
            |reason: String| (Found::Nothing(reason), HookResolveIdOutput::from_id(stubs::EMPTY));
        let Some(resolved) = resolved else {
            return nothing(missing_entry(request));
        };
        let path = PathBuf::from(path_of(resolved.id.as_str()));
        let Some(real) = self.places.inside(&path) else {
            return nothing(outside(&request.package, &path));
        };
        if has_extension(&real, &["json"]) {
            return (Found::Json(real), HookResolveIdOutput::from_id(stubs::EMPTY));
        }
        if is_declaration(&real) {
            return nothing(missing_entry(request));
        }
        (
            Found::Module(resolved.id.as_str().to_owned()),
            HookResolveIdOutput::from_resolved_id(resolved),
        )
    }

    /// What a module of a package asks for.
    async fn dependency(
        &self,
        ctx: &PluginContext,
        importer: &str,
        args: &HookResolveIdArgs<'_>,
    ) -> HookResolveIdReturn {
        if args.specifier.starts_with("node:") || is_builtin(args.specifier) {
            return Ok(Some(self.builtin(importer, args)));
        }
        let resolved = ctx.resolve(args.specifier, Some(importer), options(args.kind)).await?;
        let Ok(resolved) = resolved else {
            return Ok(Some(self.missing(importer, args.specifier)));
        };
        let id = resolved.id.as_str();
        if resolved.external.is_external() || id.starts_with('\0') {
            return Ok(None);
        }
        let path = Path::new(path_of(id));
        if self.places.inside(path).is_some() {
            self.record().edge(importer, id, way(args.kind));
            return Ok(None);
        }
        let name = package_name(args.specifier);
        if name.is_some_and(|name| !self.places.has_package(Path::new(importer), name)) {
            return Ok(Some(self.missing(importer, args.specifier)));
        }
        Ok(Some(self.refuse(importer, path)))
    }

    /// A built-in is external for an import, and a module of ours for `require`.
    fn builtin(&self, importer: &str, args: &HookResolveIdArgs<'_>) -> HookResolveIdOutput {
        let name = args.specifier.strip_prefix("node:").unwrap_or(args.specifier);
        if !is_builtin(name) {
            let package = self.places.package_of(Path::new(importer));
            let message =
                format!("{package} needs node:{name}, a built-in that is not available here");
            return HookResolveIdOutput::from_id(stubs::throws_id(&message));
        }
        if args.kind == ImportKind::Require {
            return HookResolveIdOutput::from_id(stubs::builtin_id(name));
        }
        HookResolveIdOutput {
            external: Some(true.into()),
            normalize_external_id: Some(false),
            ..HookResolveIdOutput::from_id(format!("node:{name}"))
        }
    }

    fn missing(&self, importer: &str, specifier: &str) -> HookResolveIdOutput {
        let package = self.places.package_of(Path::new(importer));
        let message = if has_extension(Path::new(specifier), &["node"]) {
            format!("{package} needs {specifier}, a native addon, which programs cannot load")
        } else if package_name(specifier).is_some() {
            format!("{package} needs {specifier}, which is not installed")
        } else {
            format!("{package} needs its file {specifier}, which does not exist")
        };
        HookResolveIdOutput::from_id(stubs::throws_id(&message))
    }

    fn refuse(&self, importer: &str, path: &Path) -> HookResolveIdOutput {
        let package = self.places.package_of(Path::new(importer));
        let message = outside(&package, path);
        let id = stubs::throws_id(&message);
        let mut record = self.record();
        record.edge(importer, &id, Way::Import);
        record.refused.insert(id.clone(), message);
        HookResolveIdOutput::from_id(id)
    }

    /// The text and the type of a file of the store.
    fn file(&self, id: &str) -> (String, ModuleType) {
        let path = Path::new(path_of(id));
        let throws = |message: String| (stubs::throwing(&message), ModuleType::Js);
        let package = self.places.package_of(path);
        if let Some(message) = self.broken.get(id) {
            return throws(message.clone());
        }
        let Some(real) = self.places.inside(path) else {
            let message = outside(&package, path);
            self.record().refused.insert(id.to_owned(), message.clone());
            return throws(message);
        };
        if let Some(message) = unloadable(&package, &real) {
            return throws(message);
        }
        match read_bounded(&self.places, &real, MAX_MODULE) {
            Ok(text) => self.typed(&real, text),
            Err(error) => throws(format!("{package} has a file {}: {error}", file_name(&real))),
        }
    }

    fn typed(&self, real: &Path, text: String) -> (String, ModuleType) {
        match extension(real) {
            "json" => json(real, text),
            "css" | "scss" | "sass" | "less" | "styl" => (String::new(), ModuleType::Empty),
            "txt" | "html" | "md" | "svg" | "sql" | "graphql" | "glsl" => (text, ModuleType::Text),
            "ts" | "mts" | "cts" => (self.placed(real, text), ModuleType::Ts),
            "tsx" => (self.placed(real, text), ModuleType::Tsx),
            "jsx" => (self.placed(real, text), ModuleType::Jsx),
            // Node reads files of unknown extensions as CommonJS.
            _ => (self.placed(real, text), ModuleType::Js),
        }
    }

    fn placed(&self, real: &Path, text: String) -> String {
        place_texts(&self.places, real, text)
    }
}

impl Plugin for Store {
    fn name(&self) -> Cow<'static, str> {
        "store".into()
    }

    fn register_hook_usage(&self) -> HookUsage {
        HookUsage::ResolveId | HookUsage::Load | HookUsage::ModuleParsed
    }

    async fn resolve_id(
        &self,
        ctx: &PluginContext,
        args: &HookResolveIdArgs<'_>,
    ) -> HookResolveIdReturn {
        // Only rolldown itself asks without an importer: for the entries.
        let Some(importer) = args.importer else {
            let number = args.specifier.strip_prefix(ENTRY).and_then(|number| number.parse().ok());
            return match number {
                Some(number) => self.entry(ctx, number).await,
                None => Ok(None),
            };
        };
        self.dependency(ctx, importer, args).await
    }

    async fn load(&self, _ctx: SharedLoadPluginContext, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        let (code, module_type) = match stubs::text(args.id) {
            Some(text) => (text, ModuleType::Js),
            None if args.id.starts_with('\0') => return Ok(None),
            None => self.file(args.id),
        };
        Ok(Some(HookLoadOutput {
            code: code.into(),
            module_type: Some(module_type),
            ..HookLoadOutput::default()
        }))
    }

    async fn module_parsed(
        &self,
        _ctx: &PluginContext,
        _info: Arc<ModuleInfo>,
        module: &NormalModule,
    ) -> HookNoopReturn {
        if module.ecma_view.exports_kind.is_commonjs() {
            self.record().commonjs.insert(module.id.as_str().to_owned());
        }
        Ok(())
    }
}

fn options(kind: ImportKind) -> Option<PluginContextResolveOptions> {
    Some(PluginContextResolveOptions {
        import_kind: kind,
        skip_self: true,
        ..PluginContextResolveOptions::default()
    })
}

fn way(kind: ImportKind) -> Way {
    if kind == ImportKind::Import { Way::Import } else { Way::Lazy }
}

/// The file of an id, which may have a query as bundlers write it.
fn path_of(id: &str) -> &str {
    id.split_once('?').map_or(id, |(path, _)| path)
}

/// The package that a specifier names; none if it is a path or an import of `#`.
fn package_name(specifier: &str) -> Option<&str> {
    if specifier.starts_with(['.', '/', '#']) {
        return None;
    }
    let scoped = specifier.starts_with('@');
    let end = specifier.match_indices('/').nth(usize::from(scoped)).map(|(index, _)| index);
    Some(&specifier[..end.unwrap_or(specifier.len())])
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    extensions.contains(&extension(path))
}

fn is_declaration(path: &Path) -> bool {
    [".d.ts", ".d.mts", ".d.cts"].iter().any(|end| path.to_string_lossy().ends_with(end))
}

fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

fn outside(package: &str, path: &Path) -> String {
    format!("{package} asks for {}, which is outside of the installed packages", path.display())
}

/// Why a program cannot have a file: machine code, and what only a browser shows.
fn unloadable(package: &str, path: &Path) -> Option<String> {
    let name = file_name(path);
    match extension(path) {
        "node" => {
            Some(format!("{package} needs {name}, a native addon, which programs cannot load"))
        }
        "wasm" => Some(format!(
            "{package} imports {name}, and WebAssembly cannot be imported. It can be read from \
             its file and compiled"
        )),
        "png" | "jpg" | "jpeg" | "gif" | "ico" | "woff" | "woff2" | "ttf" | "mp3" | "mp4" => {
            Some(format!("{package} imports {name}, which is not code"))
        }
        _ => None,
    }
}

/// JSON that a build cannot parse is a module that throws, as `require` would.
fn json(path: &Path, text: String) -> (String, ModuleType) {
    let text = text.trim_start_matches('\u{feff}');
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => (text.to_owned(), ModuleType::Json),
        Err(error) => {
            (stubs::throwing(&format!("{} is not JSON: {error}", file_name(path))), ModuleType::Js)
        }
    }
}

fn missing_entry(request: &Request) -> String {
    if request.has_types {
        format!(
            "{} has types only, and nothing to import when a program runs. Use import type",
            request.package
        )
    } else {
        format!("{} has no file for {}", request.package, request.specifier)
    }
}

#[cfg(test)]
mod tests {
    use super::package_name;

    #[test]
    fn the_package_of_a_specifier_has_its_scope() {
        for (specifier, name) in [
            ("lodash", Some("lodash")),
            ("lodash/fp", Some("lodash")),
            ("@std/path", Some("@std/path")),
            ("@std/path/posix/join", Some("@std/path")),
            ("./lodash", None),
            ("#inner", None),
        ] {
            assert_eq!(package_name(specifier), name, "{specifier}");
        }
    }
}
