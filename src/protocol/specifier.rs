//! What programs can import from the server, by the scheme of its specifier.

/// Longest specifier that is resolved, in bytes: longer than any path (PATH_MAX of Linux is
/// 4096) needs its file.
pub(crate) const MAX_SPECIFIER_BYTES: usize = 4096;

/// Who provides a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModuleScheme {
    /// The tools of an MCP server: `mcp:NAME`.
    Mcp,
    /// The code of a playbook: `playbook:FOLDER`.
    Playbook,
}

impl ModuleScheme {
    const ALL: [Self; 2] = [Self::Mcp, Self::Playbook];

    /// What stands before the colon.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Playbook => "playbook",
        }
    }

    /// The scheme of a specifier and what follows it; nothing for other specifiers. Upper
    /// and lower case are not the same.
    pub(crate) fn split(specifier: &str) -> Option<(Self, &str)> {
        let (scheme, name) = specifier.split_once(':')?;
        let scheme = Self::ALL.into_iter().find(|known| known.name() == scheme)?;
        Some((scheme, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specifier_is_split_at_its_first_colon() {
        assert_eq!(ModuleScheme::split("mcp:git hub"), Some((ModuleScheme::Mcp, "git hub")));
        assert_eq!(ModuleScheme::split("playbook:a:b"), Some((ModuleScheme::Playbook, "a:b")));
        assert_eq!(ModuleScheme::split("mcp:"), Some((ModuleScheme::Mcp, "")));
    }

    #[test]
    fn other_specifiers_are_none_of_the_servers() {
        for specifier in ["", "mcp", "MCP:x", " mcp:x", "./mcp/x", "npm:x", "file:///x", "data:,1"]
        {
            assert_eq!(ModuleScheme::split(specifier), None, "{specifier}");
        }
    }
}
