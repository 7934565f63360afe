//! What a file is, as `filestat` and `fdstat` say it.

use crate::protocol::{DirEntry, Stat};

/// Bytes of a `filestat`.
pub(super) const FILESTAT_BYTES: u32 = 64;

/// Bytes of a `fdstat`.
pub(super) const FDSTAT_BYTES: usize = 24;

/// The device of what is not the world's: no file system of Linux has this number.
const OWN_DEVICE: u64 = u64::MAX;

const NANOS_OF_A_MILLI: u64 = 1_000_000;

/// What kind of thing it is (`filetype`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FileType {
    /// A pipe too, and so what stdout and stderr are.
    #[default]
    Unknown = 0,
    BlockDevice = 1,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SocketStream = 6,
    SymbolicLink = 7,
}

/// A `filestat`. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Filestat {
    pub device: u64,
    pub inode: u64,
    pub file_type: FileType,
    pub links: u64,
    pub size: u64,
    pub accessed: u64,
    pub modified: u64,
    pub changed: u64,
}

impl Filestat {
    /// Of something that the world does not have.
    pub(super) fn own(file_type: FileType, path: &str, size: usize) -> Self {
        Self {
            device: OWN_DEVICE,
            inode: inode_of(path),
            file_type,
            links: 1,
            size: size as u64,
            ..Self::default()
        }
    }

    pub(super) fn encode(&self) -> [u8; FILESTAT_BYTES as usize] {
        let kind = u64::from(self.file_type as u8);
        let fields = [
            self.device,
            self.inode,
            kind,
            self.links,
            self.size,
            self.accessed,
            self.modified,
            self.changed,
        ];
        let mut bytes = [0; FILESTAT_BYTES as usize];
        for (place, field) in bytes.as_chunks_mut().0.iter_mut().zip(fields) {
            *place = field.to_le_bytes();
        }
        bytes
    }
}

impl From<&Stat> for Filestat {
    fn from(stat: &Stat) -> Self {
        Self {
            device: stat.dev,
            inode: stat.ino,
            file_type: FileType::of(stat),
            links: stat.nlink,
            size: stat.size,
            accessed: nanos(stat.atime),
            modified: nanos(stat.mtime),
            changed: nanos(stat.ctime),
        }
    }
}

/// WASI has no time before the epoch.
fn nanos(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).saturating_mul(NANOS_OF_A_MILLI)
}

impl FileType {
    fn of(stat: &Stat) -> Self {
        let kinds = [
            (stat.is_file, Self::RegularFile),
            (stat.is_directory, Self::Directory),
            (stat.is_symlink, Self::SymbolicLink),
            (stat.is_char_device, Self::CharacterDevice),
            (stat.is_block_device, Self::BlockDevice),
            (stat.is_socket, Self::SocketStream),
        ];
        kinds.into_iter().find(|(is, _)| *is).map_or(Self::Unknown, |(_, kind)| kind)
    }

    pub(super) fn of_entry(entry: &DirEntry) -> Self {
        let kinds = [
            (entry.is_file, Self::RegularFile),
            (entry.is_directory, Self::Directory),
            (entry.is_symlink, Self::SymbolicLink),
        ];
        kinds.into_iter().find(|(is, _)| *is).map_or(Self::Unknown, |(_, kind)| kind)
    }
}

/// A number for what has none of its own: never 0, which wasi-libc takes as "ask for each
/// entry of a directory" (FNV-1a).
pub(super) fn inode_of(path: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    path.bytes().fold(0xcbf2_9ce4_8422_2325, step) | 1
}

/// A `fdstat`.
pub(super) fn fdstat(
    file_type: FileType,
    flags: u16,
    rights: u64,
    inherited: u64,
) -> [u8; FDSTAT_BYTES] {
    let mut bytes = [0; FDSTAT_BYTES];
    bytes[0] = file_type as u8;
    bytes[2..4].copy_from_slice(&flags.to_le_bytes());
    bytes[8..16].copy_from_slice(&rights.to_le_bytes());
    bytes[16..24].copy_from_slice(&inherited.to_le_bytes());
    bytes
}
