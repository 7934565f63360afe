use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
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
    Component { name: "sample", url: url.to_owned().leak(), sha256 }
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
    let place = install(&scratch.config(), &[component], "sample", source).await.unwrap();
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
    let served = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", archive.len());
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&archive).await.unwrap();
    };
    let config = scratch.config();
    let known = [component];
    let installed = install(&config, &known, "sample", ComponentSource::Url);
    let ((), place) = tokio::join!(served, installed);
    assert!(place.unwrap().join("lib/hello.txt").is_file());
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
    let second = install(&scratch.config(), &[component], "sample", ComponentSource::Url).await;
    assert_eq!(first, second.unwrap());
}

#[tokio::test]
async fn an_unknown_component_is_named_with_what_there_is() {
    let scratch = Scratch::new("unknown");
    let (source, component) = scratch.component(&sample());
    let error = install(&scratch.config(), &[component], "pyhton", source).await.unwrap_err();
    assert_eq!(error.to_string(), "pyhton is not a component: there are packages, sample");
}
