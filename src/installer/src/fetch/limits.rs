//! Bounds of what a registry can make the installer do.

use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Packed bytes of one package. The largest of the 186 that the tests of this project
/// import has 35 MiB (googleapis); npm's own registry takes more, for browsers and models.
pub(super) const MAX_PACKED: u64 = 64 * MIB;

/// Unpacked bytes of one package: googleapis has 200 MiB, typescript 23.
pub(super) const MAX_UNPACKED: u64 = 512 * MIB;

/// Entries of one package's archive: googleapis and the largest icon sets have some 10 000.
pub(super) const MAX_FILES: u64 = 50_000;

/// Unpacked bytes of all packages: four of the largest kind, or ten times the 186 packages
/// of the tests without googleapis.
pub(super) const MAX_ALL_UNPACKED: u64 = 2048 * MIB;

/// Files of all packages: four of the largest kind.
pub(super) const MAX_ALL_FILES: u64 = 200_000;

/// Names of packages that one resolution asks for. The 186 packages of the tests have a
/// graph of about 1 500.
pub(super) const MAX_PACKAGES: usize = 5_000;

/// A packument: the full ones of packages with thousands of versions have about 100 MB.
pub(super) const MAX_PACKUMENT: u64 = 256 * MIB;

/// `.npmrc`, lock file, and `package.json` are written by people and tools that list
/// thousands of lines at most.
pub(super) const MAX_TEXT: u64 = 16 * MIB;

/// Downloads at a time: as many as npm's own client opens to one registry is 15; with
/// [`MAX_PACKED`] in memory for each, half of it is enough to fill a fast line.
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

/// A name in a file system has at most 255 bytes.
pub(super) const MAX_NAME: usize = 255;
