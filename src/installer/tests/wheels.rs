//! Wheels of a package index on loopback, which behaves as a test says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// What a path answers: a media type and a body.
type Pages = BTreeMap<String, (&'static str, Vec<u8>)>;

/// The media type of a page whose body is where it redirects to.
const REDIRECT: &str = "redirect";

/// An index, and the requests that it got: paths with their `Authorization`.
struct Index {
    url: String,
    pages: Arc<Mutex<Pages>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Index {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (pages, asked) = (Arc::<Mutex<Pages>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (of_thread, heard) = (Arc::clone(&pages), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, heard) = (Arc::clone(&of_thread), Arc::clone(&heard));
                std::thread::spawn(move || answer(stream, &pages, &heard));
            }
        });
        Self { url, pages, asked }
    }

    fn page(&self, path: &str, media_type: &'static str, body: impl Into<Vec<u8>>) {
        let page = (media_type, body.into());
        self.pages.lock().expect("no test panics with it").insert(path.to_owned(), page);
    }

    /// A project with one wheel, in HTML with its hash.
    fn project(&self, name: &str, version: &str, wheel: &[u8]) {
        let file = format!("{name}-{version}-py3-none-any.whl");
        let hash = sha256(wheel);
        let page = format!("<a href=\"/files/{file}#sha256={hash}\">{file}</a>");
        self.page(&format!("/simple/{name}/"), "text/html", page);
        self.page(&format!("/files/{file}"), "application/zip", wheel);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics with it").clone()
    }
}

/// One request and one answer.
fn answer(mut stream: TcpStream, pages: &Mutex<Pages>, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let auth = headers.iter().find_map(|line| line.strip_prefix("authorization: "));
    let auth = auth.map_or(String::new(), |auth| format!(" {auth}"));
    asked.lock().expect("no test panics with it").push(format!("{path}{auth}"));
    let page = pages.lock().expect("no test panics with it").get(&path).cloned();
    let (status, (media_type, body)) = match page {
        Some((REDIRECT, target)) => {
            let head =
                format!("HTTP/1.1 302 Found\r\nlocation: {}", String::from_utf8_lossy(&target));
            let text = format!("{head}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.write_all(text.as_bytes());
            return;
        }
        Some(page) => ("200 OK", page),
        None => ("404 Not Found", ("text/plain", Vec::new())),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {media_type}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A wheel with one module, which needs other packages.
fn wheel(name: &str, version: &str, needs: &[&str]) -> Vec<u8> {
    let needs: String = needs.iter().map(|need| format!("Requires-Dist: {need}\n")).collect();
    let metadata = format!("Name: {name}\nVersion: {version}\nSummary: About {name}\nLicense: MIT\n{needs}\nText\n");
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

/// A store, and how often something was installed into it.
struct Store(TempDir, u32);

impl Store {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"), 0)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn install(&mut self, index: &str, packages: &[&str], fields: Value) -> Result<Value, String> {
        self.1 += 1;
        let generation = self.path().join(self.1.to_string());
        std::fs::create_dir(&generation).expect("it can be made");
        let mut request = json!({
            "packages": packages,
            "index": format!("{index}/simple"),
            "python": "3.15.0",
            "included": [["numpy", "2.5.2"]],
            "store": self.path(),
            "generation": generation,
            "frozen": false,
            "offline": false,
            "minAgeSeconds": 3 * 24 * 3600,
        });
        for (key, value) in fields.as_object().expect("fields") {
            request[key] = value.clone();
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-conductor-installer"))
            .arg("wheels")
            .env_clear()
            .env("HOME", self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let text = request.to_string();
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).expect("JSON"));
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn named(answer: &Value) -> Vec<String> {
    let packages = answer["packages"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let one = |package: &Value| format!("{} {}", text(&package["name"]), text(&package["version"]));
    packages.iter().map(one).collect()
}

#[test]
fn allowed_wheels_and_what_they_need_are_installed_and_locked() {
    let (index, mut store) = (Index::start(), Store::new());
    index.project("a", "1.2", &wheel("a", "1.2", &["b>=1", "numpy", "w; os_name == 'nt'"]));
    index.project("b", "1.0", &wheel("b", "1.0", &[]));
    let answer = store.install(&index.url, &["pypi:a@^1"], json!({})).expect("it is installed");
    assert_eq!(named(&answer), ["a 1.2", "b 1.0"]);
    assert_eq!(answer["packages"][0]["modules"], json!(["a"]));
    assert_eq!(answer["packages"][0]["license"], "MIT");
    assert_eq!(answer["packages"][0]["summary"], "About a");
    assert!(
        store.path().join("1/a-1.2.zip").is_file() && store.path().join("1/b-1.0.zip").is_file()
    );
    let lock = std::fs::read_to_string(store.path().join("pypi.lock")).expect("a lock file");
    assert!(lock.contains(&sha256(&wheel("b", "1.0", &[]))), "{lock}");
}

#[test]
fn a_locked_version_stays_until_the_lock_file_goes() {
    let (index, mut store) = (Index::start(), Store::new());
    index.project("a", "1.2", &wheel("a", "1.2", &[]));
    store.install(&index.url, &["pypi:a"], json!({})).expect("it is installed");
    let (old, new) = (wheel("a", "1.2", &[]), wheel("a", "1.3", &[]));
    let link = |version: &str, wheel: &[u8]| {
        let file = format!("a-{version}-py3-none-any.whl");
        format!("<a href=\"/files/{file}#sha256={}\">{file}</a>", sha256(wheel))
    };
    index.project("a", "1.3", &new);
    let both = link("1.2", &old) + &link("1.3", &new);
    index.page("/simple/a/", "text/html", both);
    let frozen = json!({"frozen": true});
    let answer = store.install(&index.url, &["pypi:a"], frozen.clone()).expect("it is locked");
    assert_eq!(named(&answer), ["a 1.2"]);
    std::fs::remove_file(store.path().join("pypi.lock")).expect("it is there");
    let error = store.install(&index.url, &["pypi:a"], frozen).expect_err("it would change");
    assert!(error.contains("--frozen forbids it"), "{error}");
    let answer = store.install(&index.url, &["pypi:a"], json!({})).expect("it is installed");
    assert_eq!(named(&answer), ["a 1.3"]);
}

#[test]
fn offline_nothing_is_asked() {
    let (index, mut store) = (Index::start(), Store::new());
    index.project("a", "1.2", &wheel("a", "1.2", &[]));
    let offline = json!({"offline": true});
    let error = store.install(&index.url, &["pypi:a"], offline.clone()).expect_err("nothing there");
    assert!(error.contains("was not downloaded before"), "{error}");
    store.install(&index.url, &["pypi:a"], json!({})).expect("it is installed");
    let asked = index.asked().len();
    store.install(&index.url, &["pypi:a"], offline).expect("it is in the cache");
    assert_eq!(index.asked().len(), asked);
}

#[test]
fn a_wheel_with_another_hash_or_with_none_is_not_taken() {
    let (index, mut store) = (Index::start(), Store::new());
    index.project("a", "1.2", &wheel("a", "1.2", &[]));
    index.page("/files/a-1.2-py3-none-any.whl", "application/zip", wheel("a", "1.2", &["evil"]));
    let error = store.install(&index.url, &["pypi:a"], json!({})).expect_err("another hash");
    assert!(error.contains("it has SHA-256"), "{error}");
    let file = "a-1.2-py3-none-any.whl";
    index.page("/simple/a/", "text/html", format!("<a href=\"/files/{file}\">{file}</a>"));
    let error = store.install(&index.url, &["pypi:a"], json!({})).expect_err("no hash");
    assert!(error.contains("1 have no SHA-256"), "{error}");
    assert!(!store.path().join("pypi.lock").exists());
}

#[test]
fn an_index_that_says_other_things_than_the_wheel_is_not_believed() {
    let (index, mut store) = (Index::start(), Store::new());
    let wheel = wheel("a", "1.2", &["b"]);
    let file = "a-1.2-py3-none-any.whl";
    let page = json!({"files": [{
        "filename": file,
        "url": format!("/files/{file}"),
        "hashes": {"sha256": sha256(&wheel)},
        "core-metadata": true,
    }]});
    index.page("/simple/a/", "application/vnd.pypi.simple.v1+json", page.to_string());
    index.page(&format!("/files/{file}"), "application/zip", wheel);
    index.page(&format!("/files/{file}.metadata"), "text/plain", "Name: a\n");
    let error = store.install(&index.url, &["pypi:a"], json!({})).expect_err("it lies");
    assert!(error.contains("it needs other packages than its index says"), "{error}");
}

#[test]
fn the_password_of_an_index_is_sent_to_it_and_said_to_nobody() {
    let (index, mut store) = (Index::start(), Store::new());
    index.project("a", "1.2", &wheel("a", "1.2", &["absent"]));
    let with_password = index.url.replace("http://", "http://me:secret@");
    let error = store.install(&with_password, &["pypi:a"], json!({})).expect_err("one is absent");
    assert!(error.contains("absent is not in ") && !error.contains("secret"), "{error}");
    let asked = index.asked();
    assert!(asked.iter().all(|request| request.ends_with(" Basic bWU6c2VjcmV0")), "{asked:?}");
}

#[test]
fn a_package_that_python_has_takes_its_place_only_in_a_version_that_is_asked_for() {
    let (index, mut store) = (Index::start(), Store::new());
    index.project("numpy", "1.9", &wheel("numpy", "1.9", &[]));
    let answer = store.install(&index.url, &["pypi:numpy@^2"], json!({})).expect("it is there");
    assert_eq!(answer, json!({"packages": [], "included": [["pypi:numpy@^2", "2.5.2"]]}));
    let answer = store.install(&index.url, &["pypi:numpy@^1"], json!({})).expect("it is installed");
    assert_eq!(answer["packages"][0]["overrides"], true);
}

#[test]
fn a_page_that_redirects_to_another_host_is_read_there_without_the_password() {
    let (index, other, mut store) = (Index::start(), Index::start(), Store::new());
    other.project("a", "1.2", &wheel("a", "1.2", &[]));
    index.page("/simple/a/", REDIRECT, format!("{}/simple/a/", other.url));
    let with_password = index.url.replace("http://", "http://me:secret@");
    let answer = store.install(&with_password, &["pypi:a"], json!({})).expect("it is installed");
    assert_eq!(named(&answer), ["a 1.2"]);
    assert_eq!(index.asked(), ["/simple/a/ Basic bWU6c2VjcmV0"]);
    // Its links are relative to where it was.
    assert_eq!(other.asked(), ["/simple/a/", "/files/a-1.2-py3-none-any.whl"]);
    let offline = json!({"offline": true});
    let answer = store.install(&with_password, &["pypi:a"], offline).expect("it is in the cache");
    assert_eq!((named(&answer), index.asked().len()), (vec!["a 1.2".to_owned()], 1));
}

#[test]
fn a_password_does_not_come_back_with_a_redirect_from_another_host() {
    let (index, other, mut store) = (Index::start(), Index::start(), Store::new());
    index.project("b", "1.2", &wheel("b", "1.2", &[]));
    index.page("/simple/a/", REDIRECT, format!("{}/simple/a/", other.url));
    other.page("/simple/a/", REDIRECT, format!("{}/simple/b/", index.url));
    let with_password = index.url.replace("http://", "http://me:secret@");
    let error = store.install(&with_password, &["pypi:a"], json!({})).expect_err("it is of b");
    assert!(error.contains("a"), "{error}");
    assert_eq!(index.asked(), ["/simple/a/ Basic bWU6c2VjcmV0", "/simple/b/"]);
    assert_eq!(other.asked(), ["/simple/a/"]);
}

#[test]
fn a_page_that_redirects_without_end_is_an_error() {
    let (index, mut store) = (Index::start(), Store::new());
    index.page("/simple/a/", REDIRECT, "/simple/a/");
    let error = store.install(&index.url, &["pypi:a"], json!({})).expect_err("it has no end");
    assert!(error.contains("redirects more than 3 times"), "{error}");
    assert_eq!(index.asked().len(), 4);
}
