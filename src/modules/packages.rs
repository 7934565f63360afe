//! Modules of packages: which file of the current installation a specifier means. Policy
//! has allowed the package; its version, and what it exports, are looked up here.

use super::ModuleError;
use crate::packages::Snapshot;
use crate::packages::State;
use crate::packages::allowed::PackageSpecifier;
use crate::packages::manifest::InstalledPackage;
use crate::text::near::near_names;

/// Subpaths that an error names.
const MAX_SHOWN: usize = 10;

/// As [`file`], where nobody asks why there is none: the names of thousands of modules are
/// compared for that.
pub(super) fn found(
    installed: &Snapshot,
    asked: &PackageSpecifier,
    own: &PackageSpecifier,
) -> Option<String> {
    let package = asked.package();
    let found = installed.manifest.packages.iter().find(|found| found.specifier == package)?;
    check_version(found, asked, own).ok()?;
    installed.manifest.modules.get(&asked.module()).map(|entry| entry.file.clone())
}

/// The file below `bundle/` of a module. `own` is the administrator's entry of the package.
pub(super) fn file(
    installed: &Snapshot,
    asked: &PackageSpecifier,
    own: &PackageSpecifier,
) -> Result<String, ModuleError> {
    let manifest = &installed.manifest;
    let package = asked.package();
    let module = asked.module();
    let specifier = || asked.to_string();
    let failed = |name: &str| {
        let failed = manifest.failed.iter().find(|failed| failed.specifier == name)?;
        Some(ModuleError::FailedToBuild(specifier(), failed.reason.clone()))
    };
    let Some(found) = manifest.packages.iter().find(|found| found.specifier == package) else {
        return Err(failed(&package).unwrap_or_else(|| missing(installed, asked)));
    };
    check_version(found, asked, own)?;
    match manifest.modules.get(&module) {
        Some(entry) => Ok(entry.file.clone()),
        None => Err(failed(&module).unwrap_or_else(|| no_such_subpath(installed, asked))),
    }
}

fn missing(installed: &Snapshot, asked: &PackageSpecifier) -> ModuleError {
    match installed.state {
        State::Installing => ModuleError::Installing(asked.to_string()),
        State::Ready | State::None => {
            let problem = installed.problem.as_ref().map(|problem| format!(" ({problem})"));
            ModuleError::NotInstalled(asked.to_string(), problem.unwrap_or_default())
        }
    }
}

/// The administrator's range decides which version is installed, and the program's whether
/// that is one it can use.
fn check_version(
    found: &InstalledPackage,
    asked: &PackageSpecifier,
    own: &PackageSpecifier,
) -> Result<(), ModuleError> {
    let version = found.version.clone();
    if own.range().is_some_and(|range| range.tag().is_none())
        && !own.is_met_by(&version, own.range())
    {
        return Err(ModuleError::Outdated(asked.to_string(), version, own.to_string()));
    }
    if asked.is_met_by(&version, own.range()) {
        return Ok(());
    }
    let (package, own) = (asked.package(), own.to_string());
    let tag = asked.range().and_then(|range| range.tag()).map(str::to_owned);
    let asked = asked.to_string();
    Err(match tag {
        Some(tag) => ModuleError::TagNotCompared { asked, tag, version, own, package },
        None => ModuleError::VersionNotSatisfied { asked, version, own, package },
    })
}

fn no_such_subpath(installed: &Snapshot, asked: &PackageSpecifier) -> ModuleError {
    let package = asked.package();
    let below = format!("{package}/");
    let modules = &installed.manifest.modules;
    let whole = modules.get_key_value(&package);
    let parts = modules.range(below.clone()..).take_while(|(module, _)| module.starts_with(&below));
    let offered: Vec<&str> =
        whole.into_iter().chain(parts).map(|(name, _)| name.as_str()).collect();
    if offered.is_empty() {
        return ModuleError::TypesOnly(asked.to_string(), package);
    }
    let near = near_names(&asked.module(), offered.iter().copied());
    let shown = if near.is_empty() { &offered[..offered.len().min(MAX_SHOWN)] } else { &near };
    let mut list = shown.join(", ");
    let rest = offered.len() - shown.len();
    if rest > 0 {
        list = format!("{list} and {rest} more");
    }
    ModuleError::NoSuchSubpath { asked: asked.to_string(), package, offered: list }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::packages::Installed;
    use crate::packages::manifest::{FailedModule, Manifest, ModuleEntry, PackageMediaType};

    fn manifest() -> Manifest {
        let package = |specifier: &str, requested: &str, version: &str| InstalledPackage {
            specifier: specifier.into(),
            requested: requested.into(),
            version: version.into(),
            ..Default::default()
        };
        let entry = |file: &str| ModuleEntry {
            file: file.into(),
            media_type: PackageMediaType::JavaScript,
            preload: true,
        };
        let failed = |specifier: &str, reason: &str| FailedModule {
            specifier: specifier.into(),
            reason: reason.into(),
        };
        Manifest {
            format: 1,
            packages: vec![
                package("npm:zod", "npm:zod@^3", "3.25.1"),
                package("jsr:@std/path", "jsr:@std/path", "1.1.0"),
                package("npm:type-fest", "npm:type-fest", "4.0.0"),
            ],
            modules: [
                ("npm:zod", "zod.mjs"),
                ("npm:zod/v4", "zod_v4.mjs"),
                ("jsr:@std/path/join", "join.mjs"),
            ]
            .map(|(specifier, file)| (specifier.to_owned(), entry(file)))
            .into(),
            failed: vec![
                failed("npm:sharp", "it needs the native addon sharp.node"),
                failed("npm:zod/broken", "it imports \"fsevents\""),
            ],
        }
    }

    fn found(asked: &str, own: &str) -> Result<String, String> {
        let installed = Installed::of_generation(manifest(), PathBuf::from("/nowhere"));
        looked_up(&installed, asked, own)
    }

    fn looked_up(installed: &Installed, asked: &str, own: &str) -> Result<String, String> {
        let parse = |text: &str| PackageSpecifier::parse(text).unwrap();
        let (installed, asked, own) = (installed.current(), parse(asked), parse(own));
        let file = file(&installed, &asked, &own);
        assert_eq!(super::found(&installed, &asked, &own).as_ref(), file.as_ref().ok());
        file.map_err(|error| error.to_string())
    }

    #[test]
    fn a_module_is_a_file_whatever_range_is_satisfied() {
        for (asked, own, file) in [
            ("npm:zod", "npm:zod@^3", "zod.mjs"),
            ("npm:zod@3", "npm:zod@^3", "zod.mjs"),
            ("npm:zod@^3.25/v4", "npm:zod", "zod_v4.mjs"),
            ("npm:zod@latest", "npm:zod@latest", "zod.mjs"),
            ("jsr:@std/path@1/join", "jsr:@std/path", "join.mjs"),
        ] {
            assert_eq!(found(asked, own).as_deref(), Ok(file), "{asked}");
        }
    }

    #[test]
    fn a_range_that_the_installed_version_does_not_satisfy_names_both() {
        assert_eq!(
            found("npm:zod@^4", "npm:zod@^3").unwrap_err(),
            "Import \"npm:zod@^4\" is not available: version 3.25.1 is installed, of npm:zod@^3 \
             that the server allows. Import \"npm:zod\""
        );
        assert_eq!(
            found("npm:zod", "npm:zod@^4").unwrap_err(),
            "Import \"npm:zod\" is not available: version 3.25.1 is installed, and the server \
             allows npm:zod@^4. An administrator runs `mcp-conductor install`"
        );
    }

    #[test]
    fn what_is_not_exported_is_answered_with_what_is() {
        assert_eq!(
            found("npm:zod/v5", "npm:zod").unwrap_err(),
            "Import \"npm:zod/v5\" is not available: npm:zod has no such export. There are \
             npm:zod/v4, npm:zod"
        );
        assert_eq!(
            found("npm:zod/something/else", "npm:zod").unwrap_err(),
            "Import \"npm:zod/something/else\" is not available: npm:zod has no such export. \
             There are npm:zod, npm:zod/v4"
        );
    }

    #[test]
    fn a_package_without_modules_has_types_only() {
        assert_eq!(
            found("npm:type-fest", "npm:type-fest").unwrap_err(),
            "Import \"npm:type-fest\" is not available: npm:type-fest has types only, and nothing \
             to import when a program runs. Use import type"
        );
    }

    #[test]
    fn a_tag_says_that_it_is_not_compared() {
        assert_eq!(
            found("npm:zod@latest", "npm:zod@^3").unwrap_err(),
            "Import \"npm:zod@latest\" is not available: the tag \"latest\" is not compared with \
             version 3.25.1, which is installed, of npm:zod@^3 that the server allows. Import \
             \"npm:zod\""
        );
    }

    #[test]
    fn what_could_not_be_built_says_why() {
        assert_eq!(
            found("npm:sharp", "npm:sharp").unwrap_err(),
            "Import \"npm:sharp\" is not available: it needs the native addon sharp.node"
        );
        assert_eq!(
            found("npm:zod/broken", "npm:zod").unwrap_err(),
            "Import \"npm:zod/broken\" is not available: it imports \"fsevents\""
        );
    }

    #[test]
    fn what_is_not_installed_says_so_and_that_it_is_being_installed() {
        let none = Installed::none();
        assert_eq!(
            looked_up(&none, "npm:axios@1", "npm:axios").unwrap_err(),
            "Import \"npm:axios@1\" is not available: the package is allowed and not installed. \
             An administrator runs `mcp-conductor install`"
        );
        none.is_installing();
        assert_eq!(
            looked_up(&none, "npm:axios", "npm:axios").unwrap_err(),
            "Import \"npm:axios\" is not available: the package is being installed. Try again in \
             a minute"
        );
    }
}
