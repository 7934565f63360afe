//! The languages of programs.

/// The language of a program.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// TypeScript, and so JavaScript.
    #[default]
    TypeScript,
    /// Python, where `mcp-conductor install python` has installed it.
    Python,
}

impl Language {
    /// The name in logs and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::TypeScript => "typescript",
            Self::Python => "python",
        }
    }
}
