//! Packages of machine code. They are told by what they say of themselves, since what
//! they load is often computed.

use serde_json::Value;

use super::package::Package;

/// What builds or fetches addons when npm runs a package's install script.
const BUILDERS: &[&str] =
    &["node-gyp", "node-pre-gyp", "prebuild-install", "prebuildify", "cmake-js", "node-gyp-build"];

/// What a package of prebuilt machine code for this platform is called after.
const PLATFORM: &str = "linux-x64";

/// Why a package cannot work here, if it is a native addon.
pub(super) fn reason(package: &Package) -> Option<String> {
    // A package with a fallback in JavaScript works without its addon.
    if package.directory.join("fallback.js").is_file() || tolerates_failure(&package.json) {
        return None;
    }
    let why = if is_built(package) {
        "its machine code is built when npm runs its install script"
    } else if has_prebuilt(&package.json) {
        "its machine code is in packages of its own, one for each platform"
    } else {
        return None;
    };
    Some(format!(
        "{} is a native addon ({why}), and programs cannot load machine code. Use a package in \
         JavaScript",
        package.name
    ))
}

fn is_built(package: &Package) -> bool {
    let gyp = package.json.get("gypfile").and_then(Value::as_bool).unwrap_or(false)
        || package.directory.join("binding.gyp").is_file();
    let scripts = ["preinstall", "install", "postinstall"].iter().any(|name| {
        package
            .json
            .pointer(&format!("/scripts/{name}"))
            .and_then(Value::as_str)
            .is_some_and(|script| BUILDERS.iter().any(|builder| script.contains(builder)))
    });
    gyp || scripts
}

/// Whether an install script says that the package works without what it builds.
fn tolerates_failure(json: &Value) -> bool {
    json.pointer("/scripts/install").and_then(Value::as_str).is_some_and(|script| {
        ["|| exit 0", "|| true", "|| echo"].iter().any(|end| script.contains(end))
    })
}

fn has_prebuilt(json: &Value) -> bool {
    json.get("optionalDependencies")
        .and_then(Value::as_object)
        .is_some_and(|optional| optional.keys().any(|name| name.contains(PLATFORM)))
}
