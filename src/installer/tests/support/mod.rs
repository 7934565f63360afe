//! Starts the installer in a store of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::registry::Registry;

/// A store, and the environment of installations into it.
pub struct Store {
    home: Rc<TempDir>,
    environment: Vec<(&'static str, String)>,
    generations: u32,
}

/// What an installation did.
#[derive(Debug)]
pub struct Done {
    /// The answer, or nothing after an error.
    pub answer: Option<Value>,
    pub stderr: String,
    pub generation: PathBuf,
    _home: Rc<TempDir>,
}

impl Store {
    /// A store that asks one registry.
    pub fn of(registry: &Registry) -> Self {
        let home = Rc::new(tempfile::tempdir().expect("a directory"));
        Self { home, environment: registry.environment().into(), generations: 0 }
    }

    /// A variable of the environment.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.environment.retain(|(there, _)| *there != name);
        self.environment.push((name, value.into()));
        self
    }

    /// Writes `~/.npmrc`.
    pub fn npmrc(&self, text: &str) -> &Self {
        std::fs::write(self.home.path().join(".npmrc"), text).expect("it can be written");
        self
    }

    pub fn path(&self) -> PathBuf {
        self.home.path().join("store")
    }

    /// The text of the lock file.
    pub fn lock(&self) -> String {
        std::fs::read_to_string(self.path().join("deno.lock")).expect("there is a lock file")
    }

    /// Installs packages into a new generation.
    pub fn fetch(&mut self, packages: &[&str]) -> Done {
        self.fetch_with(packages, json!({}))
    }

    /// Begins an installation, which is to be killed.
    pub fn begin(&mut self, packages: &[&str]) -> Child {
        let (request, _) = self.request(packages, &json!({}));
        self.spawn(&request)
    }

    /// The same with other fields of the request.
    pub fn fetch_with(&mut self, packages: &[&str], fields: Value) -> Done {
        let (request, generation) = self.request(packages, &fields);
        let output = self.spawn(&request).wait_with_output().expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let answer = output.status.success().then(|| serde_json::from_str(&stdout).expect("JSON"));
        assert!(answer.is_some() || stdout.is_empty(), "stdout beside an error: {stdout}");
        Done { answer, stderr, generation, _home: Rc::clone(&self.home) }
    }

    /// A request, and its generation, which is made.
    fn request(&mut self, packages: &[&str], fields: &Value) -> (String, PathBuf) {
        self.generations += 1;
        let generation = self.path().join(format!("generations/{}", self.generations));
        std::fs::create_dir_all(&generation).expect("it can be made");
        let mut request = json!({
            "packages": packages,
            "store": self.path(),
            "generation": generation,
            "npmrc": null,
            "frozen": false,
            "offline": false,
            "minAgeSeconds": 3 * 24 * 3600,
        });
        for (key, value) in fields.as_object().expect("fields") {
            request[key] = value.clone();
        }
        (request.to_string(), generation)
    }

    fn spawn(&self, request: &str) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-conductor-installer"))
            .arg("fetch")
            .env_clear()
            .env("HOME", self.home.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(request.as_bytes()).expect("it reads");
        drop(stdin);
        child
    }

    /// Makes a generation the current one, as `mcp-conductor install` does.
    pub fn activate(&self, done: &Done) {
        let current = self.path().join("current");
        let _ = std::fs::remove_file(&current);
        std::os::unix::fs::symlink(&done.generation, current).expect("a link");
    }
}

impl Done {
    /// Packages of an installation that succeeded.
    #[track_caller]
    pub fn packages(&self) -> &Vec<Value> {
        let answer = self.answer.as_ref().unwrap_or_else(|| panic!("an error: {}", self.stderr));
        answer["packages"].as_array().expect("a list")
    }

    /// `name@version` of all packages, sorted.
    #[track_caller]
    pub fn versions(&self) -> Vec<String> {
        let text = |package: &Value, key: &str| package[key].as_str().unwrap_or("").to_owned();
        let named = |package| format!("{}@{}", text(package, "name"), text(package, "version"));
        let mut versions: Vec<String> = self.packages().iter().map(named).collect();
        versions.sort();
        versions
    }

    /// The sentence of an installation that failed.
    #[track_caller]
    pub fn error(&self) -> &str {
        assert!(self.answer.is_none(), "it succeeded: {:?}", self.answer);
        self.stderr.lines().last().expect("an error says why")
    }

    /// Fails unless the error has all of these texts.
    #[track_caller]
    pub fn fails_with(&self, texts: &[&str]) {
        let error = self.error();
        for text in texts {
            assert!(error.contains(text), "{text:?} is not in: {error}");
        }
    }

    /// A file of the generation.
    #[track_caller]
    pub fn file(&self, path: &str) -> String {
        let path = self.generation.join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    }

    pub fn has(&self, path: &str) -> bool {
        self.generation.join(path).exists()
    }

    /// The directory of an allowed package.
    #[track_caller]
    pub fn directory(&self, index: usize) -> PathBuf {
        let directory = self.packages()[index]["directory"].as_str().expect("a directory");
        self.generation.join(directory)
    }
}

/// The names below a directory.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> =
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
