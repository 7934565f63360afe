//! Files: what is granted, and what is denied in words that name the flag.

use serde_json::json;

use super::python;

#[test]
fn a_granted_file_is_read_and_another_is_denied() {
    let Some(python) = python() else { return };
    assert_eq!(python.value("open('@ROOT@/ws/hello.txt').read()"), "hello");
    python.denies(
        "open('@ROOT@/outside/canary.txt').read()",
        &[
            "PermissionError",
            "Requires read access to \"@ROOT@/outside/canary.txt\"",
            "--allow-read",
        ],
    );
}

#[test]
fn a_granted_file_is_written_and_another_is_denied() {
    let Some(python) = python() else { return };
    assert_eq!(python.value("open('x/granted.txt', 'w').write('abc')"), 3);
    python.denies(
        "open('@ROOT@/outside/new.txt', 'w')",
        &["PermissionError", "@ROOT@/outside/new.txt", "--allow-write"],
    );
}

#[test]
fn a_denied_directory_within_a_granted_one_is_denied() {
    let Some(python) = python() else { return };
    python.denies("open('secret/s.txt').read()", &["secret/s.txt"]);
    python.denies("import os\nos.listdir('secret')", &["secret"]);
    python.denies("open('secret/new', 'w')", &["secret/new"]);
    python.denies("import os\nos.rename('secret/s.txt', 'x/moved')", &["secret/s.txt"]);
}

#[test]
fn every_way_to_a_denied_file_is_denied_in_the_same_words() {
    let Some(python) = python() else { return };
    let path = "@ROOT@/outside/canary.txt";
    for source in [
        "import io\nio.open('PATH')",
        "import os\nos.open('PATH', os.O_RDONLY)",
        "from pathlib import Path\nPath('PATH').read_text()",
        "import os\nos.stat('PATH')",
        "import shutil\nshutil.copy('PATH', 'x/copied')",
        "import os\nos.rename('PATH', 'x/renamed')",
        "import codecs\ncodecs.open('PATH')",
        "import json\njson.load(open('PATH'))",
        "import pandas as pd\npd.read_csv('PATH')",
        "import zipfile\nzipfile.ZipFile('PATH')",
        "import tarfile\ntarfile.open('PATH')",
        "import gzip\ngzip.open('PATH').read()",
        "import configparser, fileinput\nlist(fileinput.input('PATH'))",
        "import linecache, tokenize\ntokenize.open('PATH')",
        "from PIL import Image\nImage.open('PATH')",
    ] {
        let source = source.replace("PATH", path);
        python.denies(&source, &["@ROOT@/outside/canary.txt", "--allow-"]);
    }
}

#[test]
fn a_denied_database_is_an_error_and_is_not_made() {
    let Some(python) = python() else { return };
    let (_, message) = python
        .error("import sqlite3\nsqlite3.connect('@ROOT@/outside/new.db').execute('select 1')");
    assert!(message.contains("unable to open") || message.contains("--allow-"), "{message}");
}

#[test]
fn a_denial_can_be_caught_and_has_the_usual_members() {
    let Some(python) = python() else { return };
    let source = "import errno\ntry:\n    open('/etc/passwd')\nexcept PermissionError as e:\n    r = [e.errno == errno.EACCES, e.filename, isinstance(e, OSError)]\nr";
    assert_eq!(python.value(source), json!([true, "/etc/passwd", true]));
}

#[test]
fn a_denial_has_the_line_of_the_program() {
    let Some(python) = python() else { return };
    let execution = python.run("x = 1\n\nopen('/etc/passwd')");
    let line = execution.error.and_then(|error| error.detail.line);
    let before = super::PRELUDE.lines().count() as u32 + 1;
    assert_eq!(line.map(|line| line - before), Some(3));
}

#[test]
fn questions_about_files_beyond_the_grants_have_no_answer() {
    let Some(python) = python() else { return };
    let source = "import os, glob\nfrom pathlib import Path\n[os.path.exists('/etc/passwd'), os.path.isfile('@ROOT@/outside/canary.txt'), Path('/etc/passwd').exists() if False else False, glob.glob('/etc/*'), glob.glob('@ROOT@/outside/*')]";
    assert_eq!(python.value(source), json!([false, false, false, [], []]));
}

#[test]
fn the_directory_for_temporary_files_is_within_the_grants() {
    let Some(python) = python() else { return };
    let source = "import tempfile, os\nd = tempfile.mkdtemp()\nwhere = os.path.realpath(d)\nos.rmdir(d)\nwhere.startswith('@ROOT@/ws')";
    assert_eq!(python.value(source), true);
}

#[test]
fn the_standard_library_is_read_and_not_written() {
    let Some(python) = python() else { return };
    let source = "import sys, json\nimage = next(p for p in sys.path if p.endswith('.zip'))\n[open(image, 'rb').read(2).decode(), told(lambda: open(image, 'r+b'))[:15] != '', told(lambda: open(image, 'wb')).split(':')[0] in ('OSError', 'PermissionError')]";
    assert_eq!(python.value(source), json!(["PK", true, true]));
}

#[test]
fn a_denial_has_a_line_in_the_audit_log() {
    let Some(python) = python() else { return };
    let name = format!("@ROOT@/outside/audited-{}", std::process::id());
    python.error(&format!("open('{name}')"));
    let name = python.0.files.text(&name);
    let log = python.0.files.path("audit.jsonl");
    let is_there = || {
        crate::audit::read(&log).iter().any(|line| {
            line["kind"] == "refusal" && line["permission"] == "read" && line["target"] == *name
        })
    };
    assert!(crate::support::waiting::eventually(is_there));
}

#[test]
fn a_run_has_a_line_in_the_audit_log_that_names_the_language() {
    let Some(python) = python() else { return };
    python.value("1 + 1");
    let log = python.0.files.path("audit.jsonl");
    let is_there = || crate::audit::read(&log).iter().any(|line| line["language"] == "python");
    assert!(crate::support::waiting::eventually(is_there));
}
