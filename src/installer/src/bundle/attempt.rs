//! One build by rolldown.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rolldown::{
    AttachDebugInfo, Bundler, BundlerOptions, ChunkFilenamesOutputOption, CommentsOptions,
    ExperimentalOptions, InjectImport, InputItem, LogLevel, OutputFormat, Platform,
    PreserveEntrySignatures, ResolveOptions, TsConfig,
};
use rolldown_common::Output;
use rolldown_error::{BatchedBuildDiagnostic, Severity};

use super::STACK;
use super::ascii;
use super::entries::Entry;
use super::exports::CONDITIONS;
use super::places::Places;
use super::plugin::{ENTRY, Request, Store};
use super::record::Record;
use super::stubs;

/// Names that packages get from `node:timers`, whose timers have `unref`: a program's
/// own are numbers, as on the web.
const TIMERS: &[&str] = &[
    "setTimeout",
    "setInterval",
    "setImmediate",
    "clearTimeout",
    "clearInterval",
    "clearImmediate",
];
/// What begins the names of files that entries share.
const CHUNK: &str = "chunk-[hash].mjs";
/// The time of one build. The 201 entries of the corpus take 40 s on two busy cores.
const MAX_TIME: Duration = Duration::from_secs(300);

/// A build, and what was learned from it.
pub(super) struct Attempt {
    pub record: Record,
    pub result: Result<BTreeMap<String, Chunk>, Failure>,
}

/// A file of the output.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub code: String,
    /// Files that it cannot be without.
    pub imports: Vec<String>,
    /// Files that it may ask for later.
    pub dynamic: Vec<String>,
}

/// Why a build failed.
#[derive(Debug, Default)]
pub(super) struct Failure {
    /// Files, by id, and what is wrong with them.
    pub files: Vec<(String, String)>,
    /// What has no file.
    pub other: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.files.first().map(|(_, message)| message);
        f.write_str(first.or(self.other.as_ref()).map_or("it cannot be bundled", |text| text))
    }
}

/// Builds entries. A panic of the bundler fails the build.
pub(super) fn run(
    places: &Arc<Places>,
    entries: &[Entry<'_>],
    broken: &HashMap<String, String>,
) -> Attempt {
    let store = Arc::new(Store {
        places: Arc::clone(places),
        requests: entries.iter().map(request).collect(),
        broken: broken.clone(),
        record: Mutex::default(),
    });
    let options = options(places, entries);
    let plugin = Arc::clone(&store);
    let result = catch_unwind(AssertUnwindSafe(|| generate(options, plugin)))
        .unwrap_or_else(|_| Err(other("the bundler failed at it")));
    let record = std::mem::take(&mut *store.record());
    Attempt { record, result }
}

/// What an entry asks for: by the package's name where `exports` decides, else by path.
fn request(entry: &Entry<'_>) -> Request {
    let package = entry.package;
    let exported = package.json.get("exports").is_some_and(|exports| !exports.is_null());
    let name = package.text("name").unwrap_or(&package.name);
    let specifier =
        if exported { format!("{name}{}", entry.subpath) } else { format!(".{}", entry.subpath) };
    Request {
        specifier: if specifier == "." { "./".to_owned() } else { specifier },
        importer: package.directory.join("mcp-conductor.js").to_string_lossy().into_owned(),
        package: package.name.clone(),
        has_types: package.has_types(),
    }
}

fn generate(
    options: BundlerOptions,
    store: Arc<Store>,
) -> Result<BTreeMap<String, Chunk>, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK)
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .map_err(|error| other(&format!("threads cannot be started: {error}")))?;
    let built = runtime.block_on(async {
        let mut bundler =
            Bundler::with_plugins(options, vec![store]).map_err(|error| failure(error))?;
        match tokio::time::timeout(MAX_TIME, bundler.generate()).await {
            Ok(built) => built.map_err(failure),
            Err(_) => Err(other(&format!("the build took longer than {} s", MAX_TIME.as_secs()))),
        }
    });
    // A module whose task panicked must not keep the process.
    runtime.shutdown_background();
    Ok(built?.assets.into_iter().filter_map(chunk).collect())
}

fn chunk(output: Output) -> Option<(String, Chunk)> {
    let Output::Chunk(chunk) = output else { return None };
    let text = |names: &[_]| names.iter().map(ToString::to_string).collect();
    Some((
        chunk.filename.to_string(),
        Chunk {
            code: stubs::with_hidden_require(ascii::escape(chunk.code.clone())),
            imports: text(&chunk.imports),
            dynamic: text(&chunk.dynamic_imports),
        },
    ))
}

fn other(message: &str) -> Failure {
    Failure { other: Some(message.to_owned()), ..Failure::default() }
}

fn failure(diagnostics: BatchedBuildDiagnostic) -> Failure {
    let mut failure = Failure::default();
    for diagnostic in diagnostics.into_vec() {
        if diagnostic.severity() != Severity::Error {
            continue;
        }
        let message = first_line(&diagnostic.to_string());
        match diagnostic.id().filter(|id| id.starts_with('/')) {
            Some(id) => failure.files.push((id, message)),
            None => failure.other = Some(message),
        }
    }
    failure
}

fn options(places: &Places, entries: &[Entry<'_>]) -> BundlerOptions {
    let input = entries.iter().enumerate().map(|(number, entry)| InputItem {
        name: Some(entry.name.clone()),
        import: format!("{ENTRY}{number}"),
    });
    let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    BundlerOptions {
        input: Some(input.collect()),
        cwd: Some(places.generation().to_owned()),
        platform: Some(Platform::Neutral),
        shim_missing_exports: Some(true),
        format: Some(OutputFormat::Esm),
        entry_filenames: Some(ChunkFilenamesOutputOption::String("[name].mjs".to_owned())),
        chunk_filenames: Some(ChunkFilenamesOutputOption::String(CHUNK.to_owned())),
        preserve_entry_signatures: Some(PreserveEntrySignatures::Strict),
        comments: Some(CommentsOptions { legal: false, annotation: false, jsdoc: false }),
        log_level: Some(LogLevel::Silent),
        tsconfig: Some(TsConfig::Auto(false)),
        resolve: Some(ResolveOptions {
            condition_names: texts(CONDITIONS),
            main_fields: texts(&["main", "module"]),
            // Node's for `require`, and those that bundled packages leave out.
            extensions: texts(&[".js", ".json", ".node", ".mjs", ".cjs"]),
            symlinks: Some(true),
            ..ResolveOptions::default()
        }),
        inject: Some(TIMERS.iter().map(|name| timer(name)).collect()),
        experimental: Some(ExperimentalOptions {
            attach_debug_info: Some(AttachDebugInfo::None),
            ..ExperimentalOptions::default()
        }),
        ..BundlerOptions::default()
    }
}

fn timer(name: &str) -> InjectImport {
    InjectImport::named(name.to_owned(), None, "node:timers".to_owned())
}

/// The longest reason that is kept.
const MAX_MESSAGE: usize = 300;

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(MAX_MESSAGE).collect()
}
