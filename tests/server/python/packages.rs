//! Packages of PyPI, from a store that is made by hand: imported if they are allowed, named
//! where a model reads. This has a server of its own, whose zygote knows them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::{TOOL, call, run, value};
use crate::support::directory::Directory;
use crate::support::home::{AUDIT_LOG, Home};
use crate::support::pipes::Server;
use crate::support::python::{install_directory, loaded};
use crate::support::waiting::eventually;

const FILES: [(&str, &str); 4] = [
    ("made_here/__init__.py", "from .deep import answer\n"),
    (
        "made_here/deep.py",
        "def answer():\n    return 42\n\ndef fails():\n    raise ValueError('in it')\n",
    ),
    ("made_here/data.txt", "text of the package"),
    (
        "made_here-1.2.3.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: made-here\nVersion: 1.2.3\n",
    ),
];

/// An install directory with Python and the package `made-here`.
fn store(python: &Path) -> Directory {
    let store = Directory::new("pypi");
    symlink(python.join("components"), store.path("components")).expect("a link");
    let generation = store.path("packages/pypi/generations/1");
    fs::create_dir_all(&generation).expect("a directory");
    let file = fs::File::create(generation.join("made_here-1.2.3.zip")).expect("a file");
    let mut archive = ZipWriter::new(file);
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, text) in FILES {
        archive.start_file(name, stored).expect("an entry");
        archive.write_all(text.as_bytes()).expect("its bytes");
    }
    let bytes = archive.finish().expect("an archive").metadata().expect("it is there").len();
    let manifest = json!({
        "format": 1,
        "packages": [{
            "name": "made-here",
            "version": "1.2.3",
            "requested": "pypi:made-here@^1",
            "license": "MIT",
            "file": "made_here-1.2.3.zip",
            "sha256": "0".repeat(64),
            "bytes": bytes,
            "modules": ["made_here"],
            "overrides": false,
        }],
        "included": [],
    });
    fs::write(generation.join("manifest.json"), manifest.to_string()).expect("a file");
    symlink("generations/1", store.path("packages/pypi/current")).expect("a link");
    store
}

/// A server over a store that allows this, whose Python is loaded.
fn server(store: &Directory, allowed: &str) -> Server {
    let directory = store.name("");
    let home = Home::empty();
    let log = home.path(AUDIT_LOG).display().to_string();
    let environment = [
        ("MCP_CONDUCTOR_INSTALL_DIR", directory.trim_end_matches('/')),
        ("MCP_CONDUCTOR_ALLOWED_PACKAGES", allowed),
        ("MCP_CONDUCTOR_AUDIT_LOG", &log),
    ];
    let mut server = Server::at(home, &environment);
    loaded(|| {
        let execution = run(&mut server, "1 + 1");
        if execution["returnValue"] == 2 { Ok(()) } else { Err(execution.to_string()) }
    });
    server
}

/// The lines of a kind in the audit log.
fn audited(server: &Server, kind: &str) -> Vec<Value> {
    let log = server.home().read(AUDIT_LOG);
    let whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let lines = whole.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["kind"] == kind).collect()
}

#[test]
fn a_package_that_is_installed_and_not_allowed_is_not_imported() {
    let Some(python) = install_directory() else { return };
    let store = store(&python);
    let mut server = server(&store, "pypi:other");
    let refused = run(&mut server, "x = 1\nimport made_here");
    assert_eq!(refused["errorType"], "permission", "{refused:#}");
    assert_eq!(
        refused["errorDetail"]["message"],
        "No module named 'made_here'. Requires import access to \"pypi:made-here\", which no flag \
         grants: it is not one of the packages that MCP_CONDUCTOR_ALLOWED_PACKAGES allows: allowed \
         are pypi:other"
    );
    assert!(eventually(|| !audited(&server, "refusal").is_empty()));
    let lines = audited(&server, "refusal");
    assert_eq!(lines.len(), 1, "{lines:?}");
    for (field, expected) in
        [("permission", "import"), ("target", "pypi:made-here"), ("operation", "import")]
    {
        assert_eq!(lines[0][field], expected, "{lines:?}");
    }
    assert_eq!(lines[0]["line"], 2, "{lines:?}");

    // What can do without it goes on, and whether it is there can be asked.
    let without = "import importlib.util\ntry:\n    import made_here\nexcept ImportError as error:\n    \
                   found = error.name\n[found, importlib.util.find_spec('made_here')]";
    assert_eq!(value(&mut server, without), json!(["made_here", null]));
}

#[test]
fn an_import_of_what_is_allowed_or_nowhere_is_no_refusal() {
    let Some(python) = install_directory() else { return };
    let store = store(&python);
    let mut server = server(&store, "pypi:made-here@^1");
    assert_eq!(value(&mut server, "import made_here\nmade_here.answer()"), 42);
    assert_eq!(run(&mut server, "import not_made_here")["errorType"], "runtime");
    let is_missing = |line: &Value| line["outcome"] == "runtime";
    assert!(eventually(|| audited(&server, "execution").iter().any(is_missing)));
    assert!(audited(&server, "refusal").is_empty());
}

#[test]
fn an_allowed_package_is_imported_and_another_is_named() {
    let Some(python) = install_directory() else { return };
    let store = store(&python);
    let mut server = server(&store, "pypi:made-here@^1");

    let source = "import made_here\nfrom made_here.deep import answer\n\
                  from importlib.resources import files\n\
                  [made_here.answer(), answer(), files('made_here').joinpath('data.txt').read_text()]";
    assert_eq!(value(&mut server, source), json!([42, 42, "text of the package"]));
    let version = "from importlib.metadata import version\nversion('made-here')";
    assert_eq!(value(&mut server, version), "1.2.3");

    // An error in it has the line of the program.
    let failed = run(&mut server, "from made_here import deep\n\ndeep.fails()");
    assert_eq!(failed["errorDetail"]["line"], 3, "{failed:#}");

    let missing = run(&mut server, "import not_made_here");
    let told = missing["error"].as_str().expect("an error");
    assert!(told.contains("No module named 'not_made_here'"), "{told}");
    assert!(told.contains("made-here"), "{told}");

    let with = |dependencies: &str| json!({ "code": "1", "dependencies": [dependencies] });
    let allowed = server.call(TOOL, with("pypi:made-here"));
    assert_eq!(allowed["structuredContent"]["returnValue"], 1, "{allowed}");
    let denied = server.call(TOOL, with("pypi:evil"));
    assert_eq!(denied["structuredContent"]["errorType"], "dependency-not-allowed", "{denied}");

    let written = "import made_here, os\nplace = os.path.dirname(made_here.__file__)\n\
                   open(os.path.join(place, 'deep.py'), 'w')";
    assert_eq!(call(&mut server, written)["structuredContent"]["status"], "error");

    let id = server.request("tools/list", json!({}));
    let tools = server.result(id)["tools"].take();
    let tools = tools.as_array().expect("an array");
    let tool = tools.iter().find(|tool| tool["name"] == TOOL).expect("it is listed");
    assert!(tool["description"].as_str().is_some_and(|text| text.contains("made-here")), "{tool}");
}
