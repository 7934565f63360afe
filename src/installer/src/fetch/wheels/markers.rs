//! The machine that wheels are for: CPython for wasm32-wasip1.

use pep440_rs::Version;
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder};

/// What markers of PEP 508 are compared with.
pub(super) fn environment(python: &Version) -> MarkerEnvironment {
    let full = python.to_string();
    let release = python.release();
    let short: Vec<String> = release.iter().take(2).map(u64::to_string).collect();
    let short = short.join(".");
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &full,
        os_name: "posix",
        platform_machine: "wasm32",
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: "WASI",
        platform_version: "",
        python_full_version: &full,
        python_version: &short,
        sys_platform: "wasi",
    })
    .expect("the version of Python is one")
}
