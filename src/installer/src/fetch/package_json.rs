//! What an unpacked package says of itself.

use std::io::Read;
use std::path::Path;

use deno_semver::Version;
use deno_semver::package::PackageNv;
use serde_json::Value;

use super::limits::MAX_TEXT;

/// The scripts that npm runs when it installs a package. They are not run here.
const SCRIPTS: [&str; 3] = ["preinstall", "install", "postinstall"];

/// The part of `package.json` that matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PackageJson {
    pub license: Option<String>,
    pub has_scripts: bool,
}

/// Reads the `package.json` of a package, which must be the one that was asked for.
pub(super) fn read(directory: &Path, asked: &PackageNv) -> Result<PackageJson, String> {
    let mut text = Vec::new();
    std::fs::File::open(directory.join("package.json"))
        .and_then(|file| file.take(MAX_TEXT).read_to_end(&mut text))
        .map_err(|error| format!("it has no package.json that can be read: {error}"))?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let json: Value = serde_json::from_slice(text)
        .map_err(|error| format!("its package.json is not valid: {error}"))?;
    check(&json, asked)?;
    let scripts = json.get("scripts");
    let names_scripts =
        SCRIPTS.iter().any(|name| scripts.and_then(|scripts| scripts.get(name)).is_some());
    Ok(PackageJson {
        license: license(&json),
        has_scripts: names_scripts || directory.join("binding.gyp").is_file(),
    })
}

fn check(json: &Value, asked: &PackageNv) -> Result<(), String> {
    let text = |key| json.get(key).and_then(Value::as_str).unwrap_or_default();
    let (name, version) = (text("name"), text("version"));
    let is_asked = Version::parse_from_npm(version).is_ok_and(|version| version == asked.version);
    if name != asked.name || !is_asked {
        return Err(format!("its package.json is the one of {name:?} {version:?}"));
    }
    Ok(())
}

/// `license` is a text; old packages have an object, or a list of them.
fn license(json: &Value) -> Option<String> {
    let of = |value: &Value| {
        let text = value.as_str().or_else(|| value.get("type").and_then(Value::as_str));
        text.map(str::to_owned)
    };
    if let Some(license) = json.get("license").and_then(of) {
        return Some(license);
    }
    let licenses = json.get("licenses")?.as_array()?;
    let texts: Vec<String> = licenses.iter().filter_map(of).collect();
    (!texts.is_empty()).then(|| texts.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licenses_of_all_ages_are_read() {
        for (json, expected) in [
            (r#"{"license":"MIT"}"#, Some("MIT")),
            (r#"{"license":{"type":"ISC"}}"#, Some("ISC")),
            (r#"{"licenses":[{"type":"MIT"},{"type":"GPL"}]}"#, Some("MIT OR GPL")),
            ("{}", None),
        ] {
            let json = serde_json::from_str(json).expect("it is JSON");
            assert_eq!(license(&json).as_deref(), expected);
        }
    }
}
