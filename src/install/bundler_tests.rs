use std::os::unix::fs::symlink;

use super::*;
use crate::packages::exchange::{BundledModule, ModuleFormat};

/// An output directory that goes with the test.
struct Output(PathBuf);

impl Output {
    fn new(name: &str) -> Self {
        let name = format!("conductor-bundler-{name}-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("bundle")).unwrap();
        Self(root)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("bundle").join(name)
    }

    fn check(&self, specifier: &str, file: &str) -> Result<(), String> {
        let module = BundledModule {
            specifier: specifier.into(),
            file: file.into(),
            format: ModuleFormat::Esm,
            preload: true,
        };
        let entry = BundleEntry { specifier: "npm:zod".into(), directory: "x".into() };
        check(&Bundled { modules: vec![module], ..Bundled::default() }, &[entry], &self.0)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn modules_of_what_was_asked_for_are_taken() {
    let output = Output::new("taken");
    fs::write(output.file("zod.mjs"), "").unwrap();
    assert_eq!(output.check("npm:zod", "zod.mjs"), Ok(()));
    assert_eq!(output.check("npm:zod/v4", "zod.mjs"), Ok(()));
}

#[test]
fn modules_that_nobody_asked_for_are_an_error() {
    let output = Output::new("asked");
    fs::write(output.file("zod.mjs"), "").unwrap();
    for specifier in ["npm:zodiac", "npm:evil", "jsr:zod", ""] {
        let problem = output.check(specifier, "zod.mjs").unwrap_err();
        assert!(problem.ends_with("which nobody asked for"), "{problem}");
    }
}

#[test]
fn a_file_is_named_flatly_and_is_there() {
    let output = Output::new("flat");
    fs::write(output.file("zod.mjs"), "").unwrap();
    for file in ["../bundle/zod.mjs", "other.mjs", "", "/etc/passwd"] {
        assert!(output.check("npm:zod", file).unwrap_err().starts_with("the bundler has not made"));
    }
}

#[test]
fn what_is_not_a_file_of_its_own_is_an_error() {
    let output = Output::new("own");
    fs::write(output.file("zod.mjs"), "").unwrap();
    symlink("/etc/passwd", output.file("link.mjs")).unwrap();
    assert!(output.check("npm:zod", "zod.mjs").unwrap_err().contains("link.mjs"));
    fs::remove_file(output.file("link.mjs")).unwrap();
    fs::hard_link(output.file("zod.mjs"), output.file("hard.mjs")).unwrap();
    assert!(output.check("npm:zod", "zod.mjs").is_err());
    fs::remove_file(output.file("hard.mjs")).unwrap();
    fs::create_dir(output.file("directory")).unwrap();
    assert!(output.check("npm:zod", "zod.mjs").unwrap_err().contains("directory"));
}

#[test]
fn a_file_that_is_too_large_is_an_error() {
    let output = Output::new("large");
    let file = fs::File::create(output.file("zod.mjs")).unwrap();
    file.set_len(MAX_FILE + 1).unwrap();
    assert!(output.check("npm:zod", "zod.mjs").unwrap_err().contains("has more than"));
}

#[test]
fn a_directory_that_leads_elsewhere_is_an_error() {
    for name in DIRECTORIES {
        let output = Output::new(name);
        let elsewhere = output.0.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("zod.mjs"), "").unwrap();
        fs::write(output.file("zod.mjs"), "").unwrap();
        if output.0.join(name).is_dir() {
            fs::remove_dir_all(output.0.join(name)).unwrap();
        }
        symlink(&elsewhere, output.0.join(name)).unwrap();
        let problem = output.check("npm:zod", "zod.mjs").unwrap_err();
        assert!(problem.ends_with("is not a directory of its own"), "{problem}");
    }
}
