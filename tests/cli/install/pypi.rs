//! Packages of PyPI: installed by the real programs from an index on loopback, and imported by
//! programs in Python, if there is one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::command::{Ended, ended, ended_in_time};
use crate::support::home::Home;
use crate::support::python::install_directory;

/// An index with these wheels: `NAME`, `VERSION` and what each needs. Its URL.
fn index(wheels: &[(&str, &str, &str)]) -> String {
    let mut pages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, version, needs) in wheels {
        let (wheel, file) =
            (wheel(name, version, needs), format!("{name}-{version}-py3-none-any.whl"));
        let hash: String =
            Sha256::digest(&wheel).iter().map(|byte| format!("{byte:02x}")).collect();
        let link = format!("<a href=\"/files/{file}#sha256={hash}\">{file}</a>");
        pages.entry(format!("/simple/{name}/")).or_default().extend(link.into_bytes());
        pages.insert(format!("/files/{file}"), wheel);
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/simple", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let path = lines.next().and_then(|line| Some(line.split(' ').nth(1)?.to_owned()));
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let page = path.and_then(|path| pages.get(&path));
            let status = if page.is_some() { "200 OK" } else { "404 Not Found" };
            let body = page.map_or(&[][..], Vec::as_slice);
            let head = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: text/html\r\n\
                 content-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    url
}

/// A wheel of one module, whose `version` is its own.
fn wheel(name: &str, version: &str, needs: &str) -> Vec<u8> {
    let needs = if needs.is_empty() { String::new() } else { format!("Requires-Dist: {needs}\n") };
    let metadata = format!("Name: {name}\nVersion: {version}\nLicense: MIT\n{needs}");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in [
        (format!("{name}/__init__.py"), format!("version = '{version}'\n")),
        (format!("{name}-{version}.dist-info/METADATA"), metadata),
    ] {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(path, options).expect("a name");
        zip.write_all(content.as_bytes()).expect("memory takes all");
    }
    zip.finish().expect("memory takes all").into_inner()
}

/// A home where Python is installed, and packages of an index are allowed.
struct Store {
    home: Home,
    index: String,
    allowed: &'static str,
}

impl Store {
    fn with_python(index: String, allowed: &'static str) -> Option<Self> {
        let python = install_directory()?;
        let store = Self { home: Home::empty(), index, allowed };
        std::fs::create_dir_all(store.path("")).expect("a directory");
        symlink(python.join("components"), store.path("components")).expect("a link");
        Some(store)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path(".mcp-conductor/installed").join(below)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command.env("MCP_CONDUCTOR_ALLOWED_PACKAGES", self.allowed);
        command.env("MCP_CONDUCTOR_PYPI_INDEX", &self.index);
        command
    }

    fn install(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(&[&["install"], arguments].concat()))
    }

    fn installed(&self, arguments: &[&str]) -> Value {
        let ended = self.install(&[&["--json"], arguments].concat());
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        serde_json::from_str(&ended.stdout).expect("a summary")
    }

    fn value(&self, source: &str) -> Value {
        self.home.write("program.py", source);
        let program = self.home.name("program.py");
        let ended = ended_in_time(self.command(&["run", &program, "--json"]));
        let result: Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
        assert_eq!(result["status"], "success", "{result}");
        result["returnValue"].clone()
    }
}

#[test]
fn packages_of_pypi_need_python() {
    let home = Home::empty();
    let mut command = home.command(&["install"]);
    command.env("MCP_CONDUCTOR_ALLOWED_PACKAGES", "pypi:sample");
    let ended = ended(&mut command);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("run `mcp-conductor install python` first"), "{}", ended.stderr);
}

#[test]
fn an_installed_package_and_what_it_needs_are_imported() {
    let wheels = [("sample", "1.2", "helper>=1"), ("sample", "2.0", ""), ("helper", "1.0", "")];
    let Some(store) = Store::with_python(index(&wheels), "pypi:sample@^1") else { return };
    let summary = store.installed(&[]);
    assert_eq!(summary["pypi"]["packages"][0]["version"], "1.2");
    assert_eq!(summary["pypi"]["further"][0]["name"], "helper");
    assert_eq!(store.installed(&[])["pypi"]["changed"], false);
    let source = "import sample, helper\n[sample.version, helper.version]";
    assert_eq!(store.value(source), json!(["1.2", "1.0"]));
}

#[test]
fn a_failed_installation_leaves_what_was_there() {
    let wheels = [("sample", "1.2", ""), ("other", "1.0", "absent")];
    let Some(mut store) = Store::with_python(index(&wheels), "pypi:sample") else { return };
    store.installed(&[]);
    store.allowed = "pypi:sample,pypi:other";
    let ended = store.install(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stderr.contains("absent is not in "), "{}", ended.stderr);
    let current = std::fs::read_link(store.path("packages/pypi/current")).expect("one is current");
    assert_eq!(current, PathBuf::from("generations/1"));
    assert!(!store.path("packages/pypi/generations/2").exists());
}
