//! What a denial says.

use std::fmt;

use crate::text::clip::truncate;
use crate::text::escaped::visible;
use crate::text::refusal::{requires, requires_flag};

/// Deno's permissions, and one of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Read,
    Write,
    Net,
    Env,
    Run,
    Import,
    /// Ours: a tool of an upstream server.
    Tool,
}

impl Permission {
    /// Deno's name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Net => "net",
            Self::Env => "env",
            Self::Run => "run",
            Self::Import => "import",
            Self::Tool => "tool",
        }
    }

    /// The flag that grants it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Read => "--allow-read",
            Self::Write => "--allow-write",
            Self::Net => "--allow-net",
            Self::Env => "--allow-env",
            Self::Run => "--allow-run",
            Self::Import => "--allow-import",
            Self::Tool => "allowedTools",
        }
    }
}

/// A denied access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denied {
    pub permission: Permission,
    /// Path, host:port, variable or command; nothing for all of them.
    pub target: Option<String>,
    /// What the flag alone does not explain.
    pub reason: Option<String>,
    /// Whether the flag would help.
    pub grantable: bool,
}

impl Denied {
    pub(super) fn new(permission: Permission, target: Option<String>) -> Self {
        Self { permission, target: shortened(target), reason: None, grantable: true }
    }

    pub(crate) fn never(permission: Permission, target: Option<String>, reason: &str) -> Self {
        let reason = Some(reason.to_owned());
        Self { permission, target: shortened(target), reason, grantable: false }
    }

    /// Of no target in particular.
    pub(crate) fn of_everything(permission: Permission) -> Self {
        Self::new(permission, None)
    }

    pub(super) fn because(self, reason: String) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

/// Longest target in a denial, in bytes: a path's. A program chooses it.
const MAX_TARGET: usize = 4096;

fn shortened(mut target: Option<String>) -> Option<String> {
    if let Some(target) = &mut target {
        truncate(target, MAX_TARGET);
    }
    target
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (access, target) = (self.permission.name(), self.target.as_deref());
        let with_flag = || requires_flag(access, target, self.permission.flag());
        match self.reason.as_deref().map(visible) {
            None => write!(f, "{}", with_flag()),
            Some(reason) if self.grantable => write!(f, "{} ({reason})", with_flag()),
            Some(reason) => {
                write!(f, "{}, which no flag grants: {reason}", requires(access, target))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_access_target_and_flag_as_deno_does() {
        let denied = |permission, target: Option<&str>| {
            Denied::new(permission, target.map(str::to_owned)).to_string()
        };
        assert_eq!(
            denied(Permission::Net, Some("google.com:443")),
            "Requires net access to \"google.com:443\", run again with the --allow-net flag"
        );
        assert_eq!(
            denied(Permission::Read, Some("/a\u{202e}b\n\u{1b}ä")),
            "Requires read access to \"/a\\u{202e}b\\n\\u{1b}ä\", run again with the --allow-read \
             flag"
        );
        assert_eq!(
            denied(Permission::Env, None),
            "Requires env access, run again with the --allow-env flag"
        );
    }
}
