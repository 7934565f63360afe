//! What is wrong with a program, and where.

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiagnosticCategory {
    /// It contradicts what a tool's schema, the runtime or the program itself declares.
    Error,
    /// It may be meant so.
    Warning,
}

impl DiagnosticCategory {
    /// The name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One finding of a check, with its place in the program, from 1. Columns count UTF-16 units.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// TypeScript's: `TS2551`; or `tool`, of names of tools in strings.
    pub code: String,
    /// Whether it is an error.
    pub category: DiagnosticCategory,
    /// What is wrong, in one or more lines.
    pub message: String,
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// Line of its end.
    pub end_line: u32,
    /// Column of its end, which is not part of it.
    pub end_column: u32,
    /// What was probably meant.
    pub suggestion: Option<String>,
    /// The lines around the place, with a marker under it, of the first ones.
    pub frame: Option<String>,
}
