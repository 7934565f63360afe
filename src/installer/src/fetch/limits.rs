//! Bounds of what a registry can make the installer do.

use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Packed bytes of one package: almost three times googleapis, which has 23 MiB and is the
/// largest that people ask for. npm's own registry takes more, for browsers and models.
pub(super) const MAX_PACKED: u64 = 64 * MIB;

/// Unpacked bytes of one package: twice googleapis, which has 235 MiB; typescript has 23.
pub(super) const MAX_UNPACKED: u64 = 512 * MIB;

/// Entries of one package's archive: googleapis has 2 243, the largest sets of icons some
/// 20 000.
pub(super) const MAX_FILES: u64 = 50_000;

/// Unpacked bytes of all packages: four times the 97 packages of the tests of this project,
/// which have 464 MiB with all that they depend on.
pub(super) const MAX_ALL_UNPACKED: u64 = 2048 * MIB;

/// Files of all packages: four times the 51 238 of the same 97.
pub(super) const MAX_ALL_FILES: u64 = 200_000;

/// Names of packages that one resolution asks for: six times the 781 of the same 97.
pub(super) const MAX_PACKAGES: usize = 5_000;

/// A packument: six times the one of next, which has 20 MiB for some 3 000 versions.
pub(super) const MAX_PACKUMENT: u64 = 128 * MIB;

/// Text of all packuments: each of the 781 that the 97 packages ask for may have over 1 MiB,
/// and few have. They stay in memory until the graph is resolved.
pub(super) const MAX_ALL_PACKUMENTS: u64 = 1024 * MIB;

/// Memory of the installer. [`MAX_ALL_PACKUMENTS`], parsed into a multiple of some of them,
/// and [`PARALLEL`] archives of [`MAX_PACKED`] fit well. It also ends an archive whose long
/// names fill memory, which the tar crate reads before anything here sees them.
pub(super) const MAX_MEMORY: u64 = 4096 * MIB;

/// `.npmrc`, lock file, and `package.json` are written by people and tools that list
/// thousands of lines at most.
pub(super) const MAX_TEXT: u64 = 16 * MIB;

/// Downloads at a time. npm's own client opens 15 connections; with [`MAX_PACKED`] in
/// memory for each, half of them take 512 MiB at worst.
pub(super) const PARALLEL: usize = 8;

/// Time to a connection. A TLS handshake takes four round trips, each under a second.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Time without a byte.
pub(super) const IDLE: Duration = Duration::from_secs(30);

/// Time of one request: [`MAX_PACKED`] at 1 Mbit/s takes 9 minutes.
pub(super) const REQUEST: Duration = Duration::from_secs(600);

/// Time of the whole command.
pub(super) const ALL: Duration = Duration::from_secs(3600);

/// Requests after the first one that failed for a reason that may pass.
pub(super) const RETRIES: u32 = 2;

/// Pause before a retry, doubled for the second.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Redirects of one request. Registries need one.
pub(super) const MAX_REDIRECTS: u32 = 3;

/// Cache entries that no installation used for so long are removed: a month of going back
/// to an earlier list of packages without a download.
pub(super) const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Bytes of a cache. What one installation uses is less: [`MAX_ALL_UNPACKED`], and
/// [`MAX_ALL_PACKUMENTS`] of text.
pub(super) const MAX_CACHE: u64 = 4096 * MIB;

/// Bytes of a path in an archive: a quarter of PATH_MAX, so that the path of the generation
/// fits in front.
pub(super) const MAX_PATH: usize = 1024;

/// Components of a path in an archive. Removing and linking a tree holds a descriptor for
/// each level, and 1024 are usual; packages that bundle others have some 15 levels.
pub(super) const MAX_DEPTH: usize = 32;

/// Files and directories of one package: each file of [`MAX_FILES`] in a directory of its own.
pub(super) const MAX_PATHS: usize = 2 * MAX_FILES as usize;

/// Bytes of their paths, which are kept twice: [`MAX_PATHS`] of 300 bytes each.
pub(super) const MAX_PATH_BYTES: usize = 64 << 20;

/// A name in a file system has at most 255 bytes.
pub(super) const MAX_NAME: usize = 255;
