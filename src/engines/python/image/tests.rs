use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(files: &[(&str, &[u8])]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let scratch =
            Self(std::env::temp_dir().join(format!("image-{}-{number}", std::process::id())));
        for (name, bytes) in files {
            let path = scratch.0.join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, bytes).expect("a file");
        }
        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn component(more: &[(&str, &[u8])]) -> Scratch {
    let files: [(&str, &[u8]); 3] = [
        ("python-stdlib.zip", &[b'P'; 20_000]),
        ("mpl-data/matplotlibrc", b"backend: agg"),
        ("mpl-data/fonts/ttf/a.ttf", b""),
    ];
    Scratch::new(&[&files, more].concat())
}

fn bytes(image: &Image, path: &str) -> &'static [u8] {
    match image.get(path) {
        Some(Node::File(bytes)) => bytes,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn a_component_has_its_library_and_its_data() {
    let component = component(&[("python.wasm", b"not for programs")]);
    let image = Image::open(&component.0, None).expect("an image");
    assert_eq!(bytes(&image, LIBRARY).len(), 20_000);
    assert_eq!(bytes(&image, &format!("{DATA}/matplotlibrc")), b"backend: agg");
    assert_eq!(bytes(&image, &format!("{DATA}/fonts/ttf/a.ttf")), b"");
    assert!(matches!(image.get(&format!("{DATA}/fonts")), Some(Node::Directory)));
    assert!(image.get("/usr/local/lib/python.wasm").is_none());
    assert_eq!(image.search_path(), [LIBRARY]);
    let names: Vec<&str> = image.entries(DATA).map(|(name, ..)| name).collect();
    assert_eq!(names, ["fonts", "matplotlibrc"]);
}

#[test]
fn wheels_are_searched_as_their_manifest_says() {
    let component = component(&[]);
    let manifest = br#"{"format":1,"included":[],"packages":[
        {"name":"b","version":"1","requested":null,"license":null,"file":"b-1.zip","sha256":"",
         "bytes":2,"modules":["b","_b"],"overrides":false},
        {"name":"a","version":"1","requested":"pypi:a@^1","license":null,"file":"a-1.zip","sha256":"",
         "bytes":2,"modules":["a"],"overrides":true}]}"#;
    let files: [(&str, &[u8]); 4] =
        [("manifest.json", manifest), ("a-1.zip", b"PK"), ("b-1.zip", b"PK"), ("c.zip", b"PK")];
    let packages = Scratch::new(&files);
    let image = Image::open(&component.0, Some(&packages.0)).expect("an image");
    let (a, b) = (format!("{PACKAGES}/a-1.zip"), format!("{PACKAGES}/b-1.zip"));
    assert_eq!(image.search_path(), [a.as_str(), LIBRARY, b.as_str()]);
    assert_eq!(bytes(&image, &b), b"PK");
    assert!(image.get(&format!("{PACKAGES}/c.zip")).is_none());
    let modules: Vec<_> = image.modules().collect();
    assert_eq!(modules, [("b", "b"), ("_b", "b"), ("a", "a")]);
    let requested: Vec<_> = image.requested().collect();
    assert_eq!(requested, [("a-1.zip", "a")]);
}

#[test]
fn what_is_missing_or_unusual_is_an_error_that_names_it() {
    let empty = Scratch::new(&[("python-stdlib.zip", b"PK")]);
    let error = Image::open(&empty.0, None).expect_err("no data").to_string();
    assert!(error.contains("mpl-data"), "{error}");
    let linked = component(&[]);
    std::os::unix::fs::symlink("/etc/passwd", linked.0.join("mpl-data/l")).expect("a link");
    let error = Image::open(&linked.0, None).expect_err("a link");
    assert!(matches!(error, ImageError::Special { .. }), "{error}");
    let deep = component(&[("mpl-data/1/2/3/4/5/6/7/8/9/a", b"")]);
    let error = Image::open(&deep.0, None).expect_err("too deep");
    assert!(matches!(error, ImageError::TooDeep { .. }), "{error}");
    let component = component(&[]);
    let none = Scratch::new(&[("manifest.json", b"{}")]);
    let error = Image::open(&component.0, Some(&none.0)).expect_err("no manifest");
    assert!(matches!(error, ImageError::Manifest { .. }), "{error}");
}

#[test]
fn the_image_owns_what_is_below_its_root_only() {
    assert!(Image::owns("/usr/local/lib") && Image::owns("/usr/local/lib/x/y"));
    assert!(!Image::owns("/usr/local/library") && !Image::owns("/usr/local"));
}
