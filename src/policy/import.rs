//! Which modules a program can import. What comes with its own source (`data:` URLs) and
//! the built-ins (`node:`) the worker has by itself; what its import map makes of a
//! specifier is decided about here as it arrives.

use std::fmt;
use std::ops::Deref;
use std::path::Path;

use url::Url;

use super::{AllowedPath, Denied, MAX_PATH_BYTES, PathRefusal, Permission, Policy};
use crate::packages::allowed::{
    AllowedPackages, PackageKind, PackageSpecifier, PypiSpecifier, SpecifierError,
};
use crate::protocol::ModuleScheme;
use crate::text::clip;

/// Bytes of a `file:` URL: of each byte of a path it can have three.
const MAX_FILE_URL: usize = 3 * MAX_PATH_BYTES + "file://localhost".len();

/// Packages of a call that an error names.
const MAX_SHOWN: usize = 10;

/// Bytes of a package of a call that an error quotes.
const MAX_TEXT: usize = 200;

/// A module that a program may import. Only this file makes what is in one.
#[derive(Debug, Clone)]
pub(crate) enum AllowedModule {
    /// The tools of a server.
    Mcp { name: AllowedName },
    /// The code of a playbook.
    Playbook { name: AllowedName },
    /// Of npm or JSR. Whether it is installed, and has what is asked for, is for
    /// `modules` to say.
    Package(AllowedPackage),
    /// A file that programs may read as far as its name goes. What it leads to is
    /// decided about when it is open, as of every file.
    File(AllowedPath),
}

/// What follows the scheme of a specifier that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedName(String);

impl Deref for AllowedName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A package that a program may import, and what it asks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedPackage {
    asked: PackageSpecifier,
    own: PackageSpecifier,
}

impl AllowedPackage {
    /// As the program asks for it.
    pub(crate) fn asked(&self) -> &PackageSpecifier {
        &self.asked
    }

    /// The administrator's entry.
    pub(crate) fn own(&self) -> &PackageSpecifier {
        &self.own
    }
}

/// As the program asks for it.
impl fmt::Display for AllowedPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.asked.fmt(f)
    }
}

impl Policy {
    /// Decides about an import.
    ///
    /// Tools and playbooks come from the administrator, and every program may import
    /// them: which tools a module `mcp:NAME` has is decided for each run
    /// ([`super::is_visible`]), and each call of one again ([`super::allow_tool`]).
    pub(crate) fn import(&self, specifier: &str) -> Result<AllowedModule, Denied> {
        if let Some((scheme, name)) = ModuleScheme::split(specifier) {
            let name = AllowedName(name.to_owned());
            return Ok(match scheme {
                ModuleScheme::Mcp => AllowedModule::Mcp { name },
                ModuleScheme::Playbook => AllowedModule::Playbook { name },
            });
        }
        if PackageKind::of(specifier).is_some() {
            return self.package(specifier).map(AllowedModule::Package);
        }
        if specifier.starts_with("file:") {
            return self.file(specifier).map(AllowedModule::File);
        }
        if PypiSpecifier::is_one(specifier) {
            let problem = "packages of PyPI are for programs in Python, of execute_python";
            return Err(never(specifier, problem));
        }
        match in_lower_case(specifier) {
            Some(scheme) => Err(never(specifier, &format!("{scheme}: is written in lower case"))),
            None => Err(never(specifier, "the server has no such module")),
        }
    }

    /// The packages that programs may import.
    pub(crate) fn packages(&self) -> &AllowedPackages {
        &self.packages
    }

    /// The package that a specifier names, if it is allowed. That is quickly known, unlike
    /// why it is not.
    pub(crate) fn allowed_package(&self, specifier: &str) -> Option<AllowedPackage> {
        let asked = PackageSpecifier::parse(specifier).ok()?;
        let own = self.packages.entry(&asked)?.clone();
        Some(AllowedPackage { asked, own })
    }

    /// Decides about a package: by its kind and exact name, after the specifier was taken
    /// apart.
    pub(crate) fn package(&self, specifier: &str) -> Result<AllowedPackage, Denied> {
        let asked = PackageSpecifier::parse(specifier)
            .map_err(|error| never(specifier, &error.to_string()))?;
        match self.packages.entry(&asked) {
            Some(entry) => Ok(AllowedPackage { asked, own: entry.clone() }),
            None => Err(never(specifier, &self.packages.refusal(&asked))),
        }
    }

    /// Decides about an installed package of PyPI that a program in Python imports, by its name.
    pub(crate) fn python_package(&self, specifier: &str) -> Result<(), Denied> {
        let asked = PypiSpecifier::parse(specifier)
            .map_err(|error| never(specifier, &error.to_string()))?;
        match self.packages.pypi().iter().any(|entry| entry.name() == asked.name()) {
            true => Ok(()),
            false => Err(never(specifier, &self.packages.refusal_of_pypi(&asked))),
        }
    }

    /// Decides about the packages that a call says its program needs: each must be allowed.
    ///
    /// # Errors
    /// Which are not, and what is allowed.
    pub(crate) fn dependencies(&self, texts: &[String]) -> Result<(), String> {
        let mut not_allowed = Vec::new();
        self.pypi_dependencies(texts)?;
        for text in texts.iter().filter(|text| !PypiSpecifier::is_one(text)) {
            let asked = PackageSpecifier::parse(text).map_err(|error| no_format(text, &error))?;
            if self.packages.entry(&asked).is_none() {
                not_allowed.push(asked);
            }
        }
        let Some(first) = not_allowed.first() else { return Ok(()) };
        let shown: Vec<_> = not_allowed.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
        let mut near: Vec<String> = Vec::new();
        for package in not_allowed.iter().take(MAX_SHOWN).flat_map(|it| self.packages.near(it)) {
            if !near.contains(&package) {
                near.push(package);
            }
        }
        let meant = match near.as_slice() {
            [] => String::new(),
            near => format!(": did you mean {}?", near.join(" or ")),
        };
        let end = if meant.is_empty() { "." } else { "" };
        let instead = self.packages.instead_of(first);
        Err(format!("Not in allowlist: {}{meant}{end} {instead}", shown.join(", ")))
    }

    /// The same for a program in TypeScript, which can import no package of PyPI.
    pub(crate) fn module_dependencies(&self, texts: &[String]) -> Result<(), String> {
        match texts.iter().find(|text| PypiSpecifier::is_one(text)) {
            Some(text) => Err(format!(
                "Not for TypeScript: {}. Packages of PyPI are for execute_python",
                clip::visible(text, MAX_TEXT)
            )),
            None => self.dependencies(texts),
        }
    }

    /// The same for packages of PyPI, by their names.
    fn pypi_dependencies(&self, texts: &[String]) -> Result<(), String> {
        let mut not_allowed = Vec::new();
        for text in texts.iter().filter(|text| PypiSpecifier::is_one(text)) {
            let asked = PypiSpecifier::parse(text).map_err(|error| {
                format!("Invalid format: {}: {error}", clip::visible(text, MAX_TEXT))
            })?;
            if self.packages.pypi().iter().all(|entry| entry.name() != asked.name()) {
                not_allowed.push(asked);
            }
        }
        let Some(first) = not_allowed.first() else { return Ok(()) };
        let shown: Vec<_> = not_allowed.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
        let instead = self.packages.instead_of_pypi(first);
        Err(format!("Not in allowlist: {}. {instead}", shown.join(", ")))
    }

    /// Decides about a file as its URL has it.
    fn file(&self, specifier: &str) -> Result<AllowedPath, Denied> {
        let no_path = || never(specifier, "it is not the URL of a file of this machine");
        if specifier.len() > MAX_FILE_URL {
            return Err(no_path());
        }
        let path = Url::parse(specifier).ok().and_then(|url| url.to_file_path().ok());
        let path = path.as_deref().and_then(Path::to_str).ok_or_else(no_path)?;
        self.read.check(path, Path::new("/")).map_err(|refusal| match refusal {
            PathRefusal::Denied(denied) => denied,
            PathRefusal::TooLong | PathRefusal::Nul | PathRefusal::Empty => no_path(),
        })
    }
}

/// The first words are the Deno version's.
fn no_format(text: &str, error: &SpecifierError) -> String {
    let advice = match error {
        SpecifierError::Scheme(_) => meant_by(text),
        SpecifierError::TooLong(_)
        | SpecifierError::Syntax(..)
        | SpecifierError::NpmName(_)
        | SpecifierError::JsrName(_)
        | SpecifierError::Subpath(_) => String::new(),
    };
    format!("Invalid format: {}: {error}{advice}", clip::visible(text, MAX_TEXT))
}

/// How a package without a kind is written.
fn meant_by(text: &str) -> String {
    if let Some(scheme) = in_lower_case(text) {
        return format!(", and {scheme}: is written in lower case");
    }
    match PackageSpecifier::parse(&format!("npm:{text}")) {
        Ok(package) => format!(", for example {package}"),
        Err(_) => ", for example npm:zod".to_owned(),
    }
}

/// The scheme of packages that a specifier would have in lower case.
fn in_lower_case(specifier: &str) -> Option<&'static str> {
    let (scheme, _) = specifier.split_once(':')?;
    ["npm", "jsr", "pypi"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(scheme) && *known != scheme)
}

fn never(specifier: &str, reason: &str) -> Denied {
    Denied::never(Permission::Import, Some(specifier.to_owned()), reason)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::super::{Grants, PolicyInput};
    use super::*;

    /// A policy that grants reading in the root's `srv`, and these packages.
    fn policy(packages: &[&str]) -> Policy {
        Policy::new(&PolicyInput {
            grants: &Grants::parse("allow-read=/srv,deny-read=/srv/secret").unwrap(),
            workspace: Path::new("/"),
            home: None,
            search_path: OsStr::new(""),
            protected: &[],
            packages: &AllowedPackages::parse(packages).unwrap(),
            is_narrowed: false,
            install_dir: None,
            code: &[],
            secrets: &[],
            unconfined: false,
            own_address: &Default::default(),
        })
        .unwrap()
    }

    fn denied(policy: &Policy, specifier: &str) -> Denied {
        let denied = policy.import(specifier).expect_err(specifier);
        assert_eq!(denied.target.as_deref(), Some(specifier));
        denied
    }

    #[test]
    fn modules_of_servers_and_playbooks_are_allowed() {
        let policy = policy(&[]);
        let Ok(AllowedModule::Mcp { name }) = policy.import("mcp:git hub") else { panic!() };
        assert_eq!(&*name, "git hub");
        for folder in ["http-utilities", "../x"] {
            let allowed = policy.import(&format!("playbook:{folder}")).unwrap();
            assert!(matches!(allowed, AllowedModule::Playbook { name } if &*name == folder));
        }
    }

    #[test]
    fn modules_of_nobody_are_denied() {
        let policy = policy(&["npm:x"]);
        for specifier in ["", "x", "MCP:up", " npm:x", "node:fs", "https://a/b", "@a/b"] {
            let denied = denied(&policy, specifier);
            assert_eq!((denied.permission, denied.grantable), (Permission::Import, false));
            assert_eq!(denied.reason.as_deref(), Some("the server has no such module"));
        }
    }

    #[test]
    fn a_kind_in_upper_case_is_said_to_be_written_otherwise() {
        for (specifier, scheme) in [("NPM:x", "npm"), ("Jsr:@std/path", "jsr"), ("PyPI:x", "pypi")]
        {
            let reason = denied(&policy(&["npm:x"]), specifier).reason;
            assert_eq!(reason, Some(format!("{scheme}: is written in lower case")));
        }
    }

    #[test]
    fn an_allowed_package_is_what_the_program_asks_for() {
        let policy = policy(&["npm:zod@^3", "jsr:@std/path"]);
        for (asked, own) in [
            ("npm:zod", "npm:zod@^3"),
            ("npm:zod@3.25/v4", "npm:zod@^3"),
            ("npm:zod@4", "npm:zod@^3"),
            ("jsr:@std/path@1/join", "jsr:@std/path"),
        ] {
            let Ok(AllowedModule::Package(package)) = policy.import(asked) else { panic!() };
            assert_eq!(package.to_string(), asked);
            assert_eq!(package.asked(), &PackageSpecifier::parse(asked).unwrap());
            assert_eq!(package.own().to_string(), own);
        }
    }

    #[test]
    fn a_package_that_is_not_allowed_is_denied_with_what_is() {
        for (packages, specifier, reason) in [
            (
                &[][..],
                "npm:express@4/lib",
                "no packages are allowed here. An administrator allows one with \
                 MCP_CONDUCTOR_ALLOWED_PACKAGES=npm:express and runs `mcp-conductor install`",
            ),
            (
                &["npm:axios@^1", "jsr:@std/path"],
                "npm:express",
                "it is not one of the packages that MCP_CONDUCTOR_ALLOWED_PACKAGES allows: allowed \
                 are npm:axios@^1, jsr:@std/path",
            ),
            (
                &["npm:axios@^1", "jsr:@std/path"],
                "npm:axois@1",
                "it is not one of the packages that MCP_CONDUCTOR_ALLOWED_PACKAGES allows, did you \
                 mean npm:axios: allowed are npm:axios@^1, jsr:@std/path",
            ),
            (
                &["jsr:@std/path"],
                "npm:@std/path",
                "it is not one of the packages that MCP_CONDUCTOR_ALLOWED_PACKAGES allows, did you \
                 mean jsr:@std/path: allowed are jsr:@std/path",
            ),
            (
                &["npm:axios"],
                "npm:axios@npm:evil@1",
                "\"npm:axios@npm:evil@1\" does not name a package of npm, as npm:zod and \
                 npm:@scope/name do",
            ),
        ] {
            let denied = denied(&policy(packages), specifier);
            assert_eq!((denied.permission, denied.grantable), (Permission::Import, false));
            assert_eq!(denied.reason.as_deref(), Some(reason));
        }
    }

    #[test]
    fn what_only_looks_like_an_allowed_package_is_denied() {
        let policy = policy(&["npm:axios@^1", "npm:lodash@4.17.21", "jsr:@std/path"]);
        for specifier in [
            "npm:Axios",
            "npm:%61xios",
            "npm:axios%2f..%2fevil",
            "npm:../axios",
            "npm:axios/../evil",
            "npm:evil/../axios",
            "npm:axios@npm:evil",
            "npm:axios@https://a.example/x.tgz",
            "npm:ax\u{430}os",
            "npm:axios\u{200b}",
            "npm:lodash@>=1 || *",
            "npm:lodash@4.17.21/../../../../outside/mod.js",
            "npm:@jsr/std__path",
            "jsr:@std/path/../evil",
            "jsr:axios",
        ] {
            denied(&policy, specifier);
        }
    }

    #[test]
    fn packages_of_pypi_are_allowed_by_name_and_are_no_modules() {
        let policy = policy(&["npm:zod", "pypi:humanize@^4"]);
        let dependencies = |texts: &[&str]| {
            policy.dependencies(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(dependencies(&["pypi:Humanize", "npm:zod"]), Ok(()));
        assert_eq!(
            dependencies(&["pypi:zod", "pypi:humanize"]).unwrap_err(),
            "Not in allowlist: pypi:zod. MCP_CONDUCTOR_ALLOWED_PACKAGES decides: allowed are \
             pypi:humanize@^4"
        );
        assert!(dependencies(&["pypi:../x"]).unwrap_err().starts_with("Invalid format: pypi:../x"));
        assert!(dependencies(&["npm:humanize"]).is_err());
        assert!(policy.import("pypi:humanize").is_err());
        assert_eq!(policy.module_dependencies(&["npm:zod".to_owned()]), Ok(()));
        assert_eq!(
            policy.module_dependencies(&["npm:zod".to_owned(), "pypi:humanize".to_owned()]),
            Err("Not for TypeScript: pypi:humanize. Packages of PyPI are for execute_python".into())
        );
    }

    #[test]
    fn a_package_of_pypi_that_is_allowed_is_imported_by_programs_in_python() {
        let policy = policy(&["npm:zod", "pypi:humanize@^4"]);
        for specifier in ["pypi:humanize", "pypi:Humanize"] {
            assert_eq!(policy.python_package(specifier), Ok(()));
        }
    }

    #[test]
    fn a_package_of_pypi_that_is_not_allowed_is_denied_with_what_is() {
        for (packages, specifier, reason) in [
            (
                &["npm:zod", "pypi:humanize@^4"][..],
                "pypi:zod",
                "it is not one of the packages that MCP_CONDUCTOR_ALLOWED_PACKAGES allows: allowed \
                 are pypi:humanize@^4",
            ),
            (
                &["npm:humanize"],
                "pypi:humanize",
                "no packages of PyPI are allowed here. An administrator allows one with \
                 MCP_CONDUCTOR_ALLOWED_PACKAGES=pypi:humanize and runs `mcp-conductor install`",
            ),
            (
                &["pypi:humanize"],
                "humanize",
                "\"humanize\" does not name a package of PyPI, as pypi:tabulate and \
                 pypi:tabulate@^0.9 do",
            ),
        ] {
            let denied = policy(packages).python_package(specifier).unwrap_err();
            assert_eq!((denied.permission, denied.grantable), (Permission::Import, false));
            assert_eq!(denied.target.as_deref(), Some(specifier));
            assert_eq!(denied.reason.as_deref(), Some(reason));
        }
    }

    #[test]
    fn the_packages_of_a_call_must_all_be_allowed() {
        let dependencies = |packages: &[&str], asked: &[&str]| {
            let asked: Vec<String> = asked.iter().map(|text| (*text).to_owned()).collect();
            policy(packages).dependencies(&asked)
        };
        let allowed = ["npm:axios@^1", "npm:zod@^3"];
        assert_eq!(dependencies(&allowed, &[]), Ok(()));
        assert_eq!(dependencies(&allowed, &["npm:zod", "npm:axios@^1/lib/x.js"]), Ok(()));
        for (packages, asked, expected) in [
            (
                &allowed[..],
                &["npm:express", "npm:zod", "jsr:@std/path@1"][..],
                "Not in allowlist: npm:express, jsr:@std/path@1. MCP_CONDUCTOR_ALLOWED_PACKAGES \
                 decides: allowed are npm:axios@^1, npm:zod@^3",
            ),
            (
                &[],
                &["npm:express@4"],
                "Not in allowlist: npm:express@4. No packages are allowed here. An administrator \
                 allows one with MCP_CONDUCTOR_ALLOWED_PACKAGES=npm:express and runs \
                 `mcp-conductor install`",
            ),
            (
                &allowed,
                &["npm:axios'; import evil"],
                "Invalid format: npm:axios'; import evil: \"npm:axios'; import evil\" is \
                 not a package specifier: ' ' cannot be part of one",
            ),
            (
                &allowed,
                &["axios"],
                "Invalid format: axios: \"axios\" begins with neither npm: nor jsr: nor \
                 pypi:, for example npm:axios",
            ),
            (
                &allowed,
                &["Npm:zod"],
                "Invalid format: Npm:zod: \"Npm:zod\" begins with neither npm: nor jsr: nor \
                 pypi:, and npm: is written in lower case",
            ),
            (
                &allowed,
                &["npm:zdo"],
                "Not in allowlist: npm:zdo: did you mean npm:zod? MCP_CONDUCTOR_ALLOWED_PACKAGES \
                 decides: allowed are npm:axios@^1, npm:zod@^3",
            ),
        ] {
            assert_eq!(dependencies(packages, asked), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_file_is_allowed_by_the_read_grant() {
        let policy = policy(&[]);
        for (url, path) in [
            ("file:///srv/a.ts", "/srv/a.ts"),
            ("file:///srv/a%20b.ts?x#y", "/srv/a b.ts"),
            ("file:///srv/x/../a.ts", "/srv/a.ts"),
            ("file://localhost/srv/a.ts", "/srv/a.ts"),
        ] {
            let Ok(AllowedModule::File(file)) = policy.import(url) else { panic!("{url}") };
            assert_eq!(file.absolute(), Path::new(path));
        }
    }

    #[test]
    fn a_file_beyond_the_read_grant_is_denied_as_reading_it_is() {
        let policy = policy(&[]);
        for (url, path) in [
            ("file:///etc/passwd", "/etc/passwd"),
            ("file:///srv/../etc/passwd", "/etc/passwd"),
            ("file:///srv/%2e%2e/etc/passwd", "/etc/passwd"),
            ("file:///srv/secret/a.ts", "/srv/secret/a.ts"),
        ] {
            let denied = policy.import(url).unwrap_err();
            assert_eq!((denied.permission, denied.grantable), (Permission::Read, true), "{url}");
            assert_eq!(denied.target.as_deref(), Some(path));
        }
        let long = format!("file:///srv/{}", "a".repeat(1 << 20));
        for url in ["file:", "file://host/srv/a.ts", "file:///srv/%00", "file:///srv/%ff", &long] {
            let denied = policy.import(url).unwrap_err();
            assert!(denied.target.is_some_and(|target| target.len() <= 4096));
        }
    }
}
