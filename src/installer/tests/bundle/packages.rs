//! Made-up packages in the store's layout, and the bundler over them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A generation, with the packages that programs import.
pub struct Generation {
    directory: TempDir,
    entries: Vec<Value>,
}

/// What the bundler answered, and what it wrote.
pub struct Made {
    pub answer: Value,
    bundle: PathBuf,
    /// It is removed with the last use of what was made.
    _directory: TempDir,
}

impl Generation {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(directory.path().join("node_modules/.store")).expect("a store");
        Self { directory, entries: Vec::new() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A package that programs import.
    pub fn allowed(self, name: &str, files: &[(&str, &str)]) -> Self {
        let mut this = self.package(name, files);
        let directory = format!("node_modules/.store/{}@1.0.0/node_modules/{name}", flat(name));
        this.entries.push(json!({ "specifier": format!("npm:{name}"), "directory": directory }));
        this
    }

    /// A package of the store. `package.json` is made unless it is among the files.
    pub fn package(self, name: &str, files: &[(&str, &str)]) -> Self {
        let home = self.home(name);
        let json = json!({ "name": name, "version": "1.0.0" }).to_string();
        for (file, text) in [("package.json", &*json)].iter().chain(files) {
            let path = home.join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        self
    }

    /// Lets one package find another.
    pub fn link(self, from: &str, to: &str) -> Self {
        let modules =
            self.path().join(format!("node_modules/.store/{}@1.0.0/node_modules", flat(from)));
        let target = format!("../../{}@1.0.0/node_modules/{to}", flat(to));
        std::os::unix::fs::symlink(target, modules.join(to)).expect("a link");
        self
    }

    pub fn home(&self, name: &str) -> PathBuf {
        self.path().join(format!("node_modules/.store/{}@1.0.0/node_modules/{name}", flat(name)))
    }

    pub fn bundle(self) -> Made {
        let request = json!({
            "generation": self.path(),
            "output": self.path(),
            "place": "/place",
            "entries": self.entries,
        });
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-conductor-installer"))
            .arg("bundle")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the installer starts");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(request.to_string().as_bytes()).expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
        let answer = serde_json::from_slice(&output.stdout).expect("JSON");
        let bundle = self.path().join("bundle");
        Made { answer, bundle, _directory: self.directory }
    }
}

fn flat(name: &str) -> String {
    name.replace('/', "+")
}

impl Made {
    /// The directory of what was made.
    pub fn files(&self) -> &Path {
        &self.bundle
    }

    /// The module of a specifier.
    pub fn module(&self, specifier: &str) -> Option<&Value> {
        let modules = self.answer["modules"].as_array().expect("modules");
        modules.iter().find(|module| module["specifier"] == specifier)
    }

    /// The text of a module and of everything that it imports.
    pub fn code(&self, specifier: &str) -> String {
        let module =
            self.module(specifier).unwrap_or_else(|| panic!("{specifier}: {}", self.answer));
        let mut left = vec![module["file"].as_str().expect("a file").to_owned()];
        let mut seen = Vec::new();
        let mut code = String::new();
        while let Some(file) = left.pop() {
            if seen.contains(&file) {
                continue;
            }
            let text = fs::read_to_string(self.bundle.join(&file)).expect("a file of the bundle");
            let imported = text.split("\"./").skip(1).filter_map(|rest| rest.split('"').next());
            left.extend(imported.map(str::to_owned).filter(|name| self.bundle.join(name).exists()));
            seen.push(file);
            code.push_str(&text);
        }
        code
    }

    /// Why there is no module for a specifier.
    pub fn reason(&self, specifier: &str) -> String {
        let failed = self.answer["failed"].as_array().expect("failures");
        let failure = failed.iter().find(|failure| failure["specifier"] == specifier);
        let failure =
            failure.unwrap_or_else(|| panic!("{specifier} did not fail: {}", self.answer));
        failure["reason"].as_str().expect("a reason").to_owned()
    }

    /// The documentation of the first package.
    pub fn docs(&self) -> Value {
        let text = fs::read(self.bundle.with_file_name("docs").join("0.json")).expect("docs");
        serde_json::from_slice(&text).expect("JSON")
    }
}
