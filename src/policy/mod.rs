//! The administrator's permission set. It decides and never acts; what it
//! allows, it returns as a type that only it can make. Nothing can be granted
//! yet, so there is no such type, and every access is denied.

use std::fmt;

use crate::protocol::{Access, AccessKind};

/// What programs may do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy(());

/// A decision that is not in the program's favour, in Deno's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denied {
    pub kind: AccessKind,
    pub target: Option<String>,
    pub api: String,
}

/// The proof of an allowed access. There is no way to one yet.
#[derive(Debug)]
pub(crate) enum Allowed {}

impl Policy {
    /// Decides one access.
    pub(crate) fn check(&self, access: Access) -> Result<Allowed, Denied> {
        let Access { kind, target, api } = access;
        Err(Denied { kind, target, api })
    }
}

impl Denied {
    /// Deno's name of the permission, and of the flag that grants it.
    pub(crate) fn permission(&self) -> &'static str {
        match self.kind {
            AccessKind::Read => "read",
            AccessKind::Write => "write",
            AccessKind::Net => "net",
            AccessKind::Env => "env",
            AccessKind::Run => "run",
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let permission = self.permission();
        write!(f, "Requires {permission} access")?;
        if let Some(target) = &self.target {
            write!(f, " to {target:?}")?;
        }
        write!(f, ", run again with the --allow-{permission} flag")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(kind: AccessKind, target: Option<&str>) -> String {
        let access = Access { kind, target: target.map(str::to_owned), api: "x()".into() };
        Policy::default().check(access).unwrap_err().to_string()
    }

    #[test]
    fn a_refusal_names_access_target_and_flag_as_deno_does() {
        assert_eq!(
            denied(AccessKind::Net, Some("google.com:443")),
            "Requires net access to \"google.com:443\", run again with the --allow-net flag"
        );
        assert_eq!(
            denied(AccessKind::Env, None),
            "Requires env access, run again with the --allow-env flag"
        );
    }
}
