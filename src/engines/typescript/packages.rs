//! The modules of installed packages, as a zygote has them: files of a generation, mapped
//! read-only before the fork and shared by all workers. Nothing here runs them.

mod files;
mod sys;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use deno_core::{FastString, ModuleSource, ModuleSourceCode, ModuleSpecifier, ModuleType};
use deno_error::JsErrorBox;
use memchr::memmem;

use crate::packages::manifest::{FORMAT, Manifest, PackageMediaType};
use crate::protocol::{Generation, MediaType};

/// The scheme of their URLs: `package:///FILE`.
const SCHEME: &str = "package";

/// A generation of installed packages. Empty where nothing is installed.
#[derive(Default)]
pub(super) struct Packages {
    /// By name below `bundle/`.
    files: HashMap<Box<str>, &'static [u8]>,
    /// What is compiled before the fork: files, the most likely first.
    preload: Vec<String>,
    /// Why there is less than the manifest says.
    problems: Vec<String>,
    /// Bytes of text that were given to V8.
    given: Cell<usize>,
}

impl Packages {
    /// Maps a generation. What cannot be read is left out and listed in
    /// [`problems`](Self::problems): a store that is broken costs imports of packages.
    pub(super) fn open(generation: &Generation) -> Self {
        let directory = &generation.directory;
        let opened = files::read_manifest(directory).and_then(|text| {
            let manifest = parse(&text)?;
            Ok((files::map_bundle(&directory.join(files::BUNDLE))?, manifest))
        });
        match opened {
            Ok((mapped, manifest)) => Self {
                preload: order(&manifest, &generation.preload),
                files: mapped.files,
                problems: mapped.problems,
                given: Cell::default(),
            },
            Err(error) => Self {
                problems: vec![format!(
                    "The installed packages cannot be used: {}: {error}. Run `mcp-conductor \
                     install`",
                    directory.display()
                )],
                ..Self::default()
            },
        }
    }

    /// The bytes of a module, and what they are.
    pub(super) fn source(&self, file: &str) -> Option<(&'static [u8], MediaType)> {
        let bytes = *self.files.get(file)?;
        let is_json = Path::new(file).extension().is_some_and(|extension| extension == "json");
        Some((bytes, if is_json { MediaType::Json } else { MediaType::JavaScript }))
    }

    /// Whether the text of a module has a specifier in it, between quotes.
    pub(super) fn is_named(&self, specifier: &str, file: &str) -> bool {
        let Some(text) = self.files.get(file) else { return false };
        let quote =
            |place: usize| text.get(place).filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
        memmem::find_iter(text, specifier).any(|start| {
            let before = start.checked_sub(1).and_then(quote);
            before.is_some() && before == quote(start + specifier.len())
        })
    }

    /// A module as V8 takes it: ASCII text is not copied, and never freed.
    pub(super) fn load(&self, url: &ModuleSpecifier) -> Result<ModuleSource, JsErrorBox> {
        let file = file_of(url).ok_or_else(|| unknown(url))?;
        let (bytes, media_type) = self.source(file).ok_or_else(|| unknown(url))?;
        self.given.set(self.given.get().saturating_add(bytes.len()));
        let text = std::str::from_utf8(bytes)
            .map_err(|_| JsErrorBox::generic(format!("The module {file} is not UTF-8")))?;
        let module_type = match media_type {
            MediaType::Json => ModuleType::Json,
            // The bundler leaves no TypeScript.
            MediaType::JavaScript | MediaType::TypeScript => ModuleType::JavaScript,
        };
        let code = ModuleSourceCode::String(FastString::from_static(text));
        Ok(ModuleSource::new(module_type, code, url, None))
    }

    /// Files to compile before the fork, the most likely first.
    pub(super) fn preload(&self) -> &[String] {
        &self.preload
    }

    /// Bytes of text that were given to V8.
    pub(super) fn given(&self) -> usize {
        self.given.get()
    }

    /// Why there is less than the manifest says, one sentence each.
    pub(super) fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// The URL of a module.
pub(super) fn url_of(file: &str) -> Option<ModuleSpecifier> {
    ModuleSpecifier::parse(&format!("{SCHEME}:///{file}")).ok()
}

/// The file that a URL names, if it is one of these.
pub(super) fn file_of(url: &ModuleSpecifier) -> Option<&str> {
    (url.scheme() == SCHEME).then(|| url.path().trim_start_matches('/'))
}

fn unknown(url: &ModuleSpecifier) -> JsErrorBox {
    JsErrorBox::type_error(format!(
        "The module {url} is not installed in this worker. The packages were changed while the \
         program was starting, or `mcp-conductor install` has to be run again"
    ))
}

fn parse(text: &[u8]) -> io::Result<Manifest> {
    let manifest: Manifest = serde_json::from_slice(text)?;
    if manifest.format != FORMAT {
        let other = manifest.format;
        return Err(io::Error::other(format!("its format is {other}, not {FORMAT}")));
    }
    Ok(manifest)
}

/// The files to compile: the own entries of these packages in the administrator's order, then
/// what else they have. JSON has no code.
fn order(manifest: &Manifest, packages: &[u16]) -> Vec<String> {
    let package = |place: &u16| manifest.packages.get(usize::from(*place));
    let own: Vec<&str> =
        packages.iter().filter_map(package).map(|package| package.specifier.as_str()).collect();
    let names: HashSet<&str> = own.iter().copied().collect();
    let modules = manifest.modules.keys().map(String::as_str);
    let others = modules.filter(|module| names.contains(package_of(module)));
    let is_compiled = |specifier: &str| {
        let entry = manifest.modules.get(specifier)?;
        let is_script = entry.media_type == PackageMediaType::JavaScript;
        (entry.preload && is_script).then(|| entry.file.clone())
    };
    let mut files: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for file in own.iter().copied().chain(others).filter_map(is_compiled) {
        if seen.insert(file.clone()) {
            files.push(file);
        }
    }
    files
}

/// The package that a module is of: `npm:@a/b` of `npm:@a/b/c`.
fn package_of(module: &str) -> &str {
    let slashes = if module.contains(":@") { 2 } else { 1 };
    match module.match_indices('/').nth(slashes - 1) {
        Some((end, _)) => &module[..end],
        None => module,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::manifest::{InstalledPackage, ModuleEntry};

    fn manifest() -> Manifest {
        let entry = |file: &str, preload| ModuleEntry {
            file: file.to_owned(),
            media_type: PackageMediaType::JavaScript,
            preload,
        };
        let modules = [
            ("npm:a", entry("a.mjs", true)),
            ("npm:a/sub", entry("a_sub.mjs", true)),
            ("npm:a/same", entry("a.mjs", true)),
            ("npm:large", entry("large.mjs", false)),
            ("npm:z", entry("z.mjs", true)),
        ];
        let package = |name: &str| InstalledPackage {
            specifier: name.to_owned(),
            ..InstalledPackage::default()
        };
        Manifest {
            format: FORMAT,
            packages: vec![package("npm:z"), package("npm:a"), package("npm:large")],
            modules: modules.map(|(name, entry)| (name.to_owned(), entry)).into(),
            failed: Vec::new(),
        }
    }

    fn store(name: &str) -> std::path::PathBuf {
        let directory =
            std::env::temp_dir().join(format!("packages-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(directory.join(files::BUNDLE)).unwrap();
        directory
    }

    #[test]
    fn a_module_names_what_stands_in_it_between_quotes() {
        let text =
            b"import './a.mjs'; import(\"./b.mjs\"); import(`./f.mjs`); // ./c.mjs './d.mjs\"";
        let packages =
            Packages { files: [("x.mjs".into(), &text[..])].into(), ..Packages::default() };
        assert!(packages.is_named("./a.mjs", "x.mjs") && packages.is_named("./b.mjs", "x.mjs"));
        assert!(packages.is_named("./f.mjs", "x.mjs"));
        for other in ["./c.mjs", "./d.mjs", "./e.mjs", "", "a.mjs"] {
            assert!(!packages.is_named(other, "x.mjs"), "{other}");
        }
        assert!(!packages.is_named("./a.mjs", "unknown.mjs"));
    }

    #[test]
    fn entries_of_packages_are_compiled_first_and_each_file_once() {
        assert_eq!(order(&manifest(), &[0, 1, 2]), ["z.mjs", "a.mjs", "a_sub.mjs"]);
    }

    #[test]
    fn only_what_the_server_names_is_compiled() {
        assert_eq!(order(&manifest(), &[0, 7]), ["z.mjs"]);
        assert_eq!(order(&manifest(), &[1]), ["a.mjs", "a_sub.mjs"]);
        assert_eq!(order(&manifest(), &[]), [""; 0]);
    }

    #[test]
    fn a_module_is_of_the_package_that_is_before_its_subpath() {
        for (module, package) in [
            ("npm:a", "npm:a"),
            ("npm:a/b/c", "npm:a"),
            ("jsr:@a/b", "jsr:@a/b"),
            ("npm:@a/b/c/d", "npm:@a/b"),
        ] {
            assert_eq!(package_of(module), package);
        }
    }

    fn all_of(directory: &Path) -> Generation {
        Generation { directory: directory.to_owned(), preload: vec![0, 1, 2] }
    }

    #[test]
    fn a_generation_is_mapped_and_its_modules_are_found_by_url() {
        let directory = store("mapped");
        let text = serde_json::to_vec(&manifest()).unwrap();
        std::fs::write(directory.join(files::MANIFEST), text).unwrap();
        std::fs::write(directory.join("bundle/a.mjs"), "export default 1").unwrap();
        std::fs::write(directory.join("bundle/data.json"), "{}").unwrap();
        let packages = Packages::open(&all_of(&directory));
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(packages.problems(), [] as [String; 0]);
        let (bytes, media_type) = packages.source("a.mjs").unwrap();
        assert_eq!((bytes, media_type), (&b"export default 1"[..], MediaType::JavaScript));
        assert_eq!(packages.source("data.json").unwrap().1, MediaType::Json);
        assert!(packages.source("b.mjs").is_none());
        assert!(packages.load(&url_of("a.mjs").unwrap()).is_ok());
        assert!(packages.load(&url_of("b.mjs").unwrap()).is_err());
        assert_eq!(packages.given(), 16, "what was only looked at does not count");
    }

    #[test]
    fn a_store_without_a_manifest_or_of_another_format_has_no_modules_and_says_why() {
        let directory = store("broken");
        let problem = || Packages::open(&all_of(&directory)).problems().concat();
        assert!(problem().contains("Run `mcp-conductor install`"), "{}", problem());
        std::fs::write(directory.join(files::MANIFEST), "{").unwrap();
        assert!(problem().contains("EOF"), "{}", problem());
        let other = Manifest { format: 99, ..manifest() };
        let text = serde_json::to_vec(&other).unwrap();
        std::fs::write(directory.join(files::MANIFEST), text).unwrap();
        assert!(problem().contains("its format is 99, not 1"), "{}", problem());
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_url_names_the_file_below_the_bundle() {
        let url = url_of("a-b_1.mjs").unwrap();
        assert_eq!((url.as_str(), file_of(&url)), ("package:///a-b_1.mjs", Some("a-b_1.mjs")));
        assert_eq!(file_of(&url.join("./c.mjs").unwrap()), Some("c.mjs"));
        assert_eq!(file_of(&url.join("../../c.mjs").unwrap()), Some("c.mjs"));
        assert_eq!(file_of(&ModuleSpecifier::parse("file:///c.mjs").unwrap()), None);
    }
}
