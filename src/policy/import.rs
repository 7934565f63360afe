//! Which modules a program can import from the server. What comes with its own source
//! (`data:` URLs) the worker loads by itself.

use super::{Denied, Permission, Policy};
use crate::packages::allowed::PackageSpecifier;
use crate::protocol::ModuleScheme;

/// A module that a program may import. Only this file makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AllowedModule {
    /// The tools of an MCP server.
    Mcp {
        name: String,
    },
    /// The code of a playbook.
    Playbook {
        name: String,
    },
    Package(AllowedPackage),
}

/// A module of a package that the run may import. Which version is installed and what it
/// exports is not policy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedPackage {
    asked: PackageSpecifier,
    own: PackageSpecifier,
}

impl AllowedPackage {
    /// As the program wrote it.
    pub(crate) fn asked(&self) -> &PackageSpecifier {
        &self.asked
    }

    /// The administrator's entry.
    pub(crate) fn own(&self) -> &PackageSpecifier {
        &self.own
    }
}

impl Policy {
    /// Decides about an import. Both kinds that there are come from the administrator,
    /// and every program may import them: which tools a module `mcp:NAME` has is decided
    /// for each run ([`super::is_visible`]), and each call of one again
    /// ([`super::allow_tool`]).
    pub(crate) fn import(&self, specifier: &str) -> Result<AllowedModule, Denied> {
        match ModuleScheme::split(specifier) {
            Some((ModuleScheme::Mcp, name)) => Ok(AllowedModule::Mcp { name: name.to_owned() }),
            Some((ModuleScheme::Playbook, name)) => {
                Ok(AllowedModule::Playbook { name: name.to_owned() })
            }
            None => Err(Denied::never(
                Permission::Import,
                Some(specifier.to_owned()),
                "the server has no such module",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::super::{Grants, PolicyInput};
    use super::*;

    /// A policy that grants nothing else.
    fn policy() -> Policy {
        Policy::new(&PolicyInput {
            grants: &Grants::parse("none").unwrap(),
            workspace: Path::new("/"),
            home: None,
            search_path: OsStr::new(""),
            protected: &[],
            secrets: &[],
            unconfined: false,
            own_address: &Default::default(),
        })
        .unwrap()
    }

    #[test]
    fn modules_of_servers_and_playbooks_are_allowed() {
        let policy = policy();
        let playbook = |name: &str| AllowedModule::Playbook { name: name.to_owned() };
        for (specifier, expected) in [
            ("mcp:git hub", AllowedModule::Mcp { name: "git hub".to_owned() }),
            ("playbook:http-utilities", playbook("http-utilities")),
            ("playbook:../x", playbook("../x")),
        ] {
            assert_eq!(policy.import(specifier).unwrap(), expected);
        }
    }

    #[test]
    fn other_modules_are_denied() {
        let policy = policy();
        for specifier in
            ["", "x", "MCP:up", "npm:x", "jsr:@a/b", "node:fs", "file:///etc/passwd", "https://a/b"]
        {
            let denied = policy.import(specifier).unwrap_err();
            assert_eq!(denied.target.as_deref(), Some(specifier));
            assert_eq!((denied.permission, denied.grantable), (Permission::Import, false));
        }
        assert_eq!(
            policy.import("npm:x").unwrap_err().to_string(),
            "Requires import access to \"npm:x\", which no flag grants: the server has no such \
             module"
        );
    }
}
