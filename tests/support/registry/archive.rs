//! Archives, with entries that no packer would write.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tar::{EntryType, Header};

/// An entry of an archive, with the path as it is to be in there.
#[derive(Debug, Clone)]
pub struct Entry {
    pub path: Vec<u8>,
    pub kind: EntryType,
    /// Where a link points.
    pub target: String,
    pub mode: u32,
    pub content: Vec<u8>,
    /// The size in the header, if it is to be another one.
    pub size: Option<u64>,
}

impl Entry {
    /// A file with any path.
    pub fn file(path: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            kind: EntryType::Regular,
            target: String::new(),
            mode: 0o644,
            content: content.into(),
            size: None,
        }
    }

    /// A pax header (POSIX.1-2001, pax Interchange Format), for the entry after it.
    pub fn pax(key: &str, value: &str) -> Self {
        let record = format!(" {key}={value}\n");
        // The length counts its own digits.
        let mut length = record.len();
        while length != record.len() + length.to_string().len() {
            length = record.len() + length.to_string().len();
        }
        let content = format!("{length}{record}");
        Self { kind: EntryType::XHeader, ..Self::file("package/pax", content) }
    }

    /// A symbolic link, a hard link, a device.
    pub fn special(path: &str, kind: EntryType, target: &str) -> Self {
        Self { kind, target: target.to_owned(), ..Self::file(path, "") }
    }
}

/// A package as `npm pack` makes it, with further entries.
pub(super) fn archive(package_json: &Value, files: &[(&str, &str)], entries: &[Entry]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut write = |entry: &Entry| {
        let size = entry.size.unwrap_or(entry.content.len() as u64);
        let padding = vec![0; entry.content.len().next_multiple_of(512) - entry.content.len()];
        for part in [&header(entry, size).as_bytes()[..], &entry.content, &padding] {
            gzip.write_all(part).expect("memory takes all");
        }
    };
    if !files.iter().any(|(path, _)| *path == "package.json") {
        write(&Entry::file("package/package.json", package_json.to_string()));
    }
    for (path, content) in files {
        write(&Entry::file(format!("package/{path}"), *content));
    }
    entries.iter().for_each(&mut write);
    gzip.write_all(&[0; 1024]).expect("memory takes all");
    gzip.finish().expect("memory takes all")
}

/// The header is written by hand: the crate's own builder refuses what these tests need.
fn header(entry: &Entry, size: u64) -> Header {
    let mut header = Header::new_ustar();
    let path = &entry.path;
    assert!(path.len() <= 100, "longer paths need another entry");
    header.as_mut_bytes()[..path.len()].copy_from_slice(path);
    let target = entry.target.as_bytes();
    header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target);
    header.set_entry_type(entry.kind);
    header.set_mode(entry.mode);
    header.set_size(size);
    header.set_cksum();
    header
}
