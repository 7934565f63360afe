//! What a checker says, read as what it is: text of a process that an attacker may have taken
//! over. It decides about nothing but the program that it is about.

use serde::Deserialize;

use super::diagnostic::{Diagnostic, DiagnosticCategory};
use crate::runtime::execution::{ErrorDetail, ErrorKind, Execution, ExecutionError, Status};
use crate::text::clip::{marked, visible};
use crate::text::code_frame::{Place, code_frame};
use crate::text::shown;

/// Diagnostics of one verdict: with more a program is written anew.
const MAX_DIAGNOSTICS: usize = 50;

/// Diagnostics beside the result of a run.
const MAX_BESIDE: usize = 5;

/// Diagnostics with the code around them.
const MAX_FRAMES: usize = 5;

/// Bytes of a message: TypeScript's longest, of a call that fits no overload, have some lines.
const MAX_MESSAGE: usize = 1000;

/// Bytes of a suggestion, and of a reason.
const MAX_SUGGESTION: usize = 200;
const MAX_REASON: usize = 300;

/// Bytes of a code: `TS18047`.
const MAX_CODE: usize = 8;

/// What came of a check.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Verdict {
    /// Errors first.
    diagnostics: Vec<Diagnostic>,
    /// How many more there are.
    omitted: u32,
    /// Why there is no verdict.
    unchecked: Option<String>,
    /// It came after the result.
    is_late: bool,
}

/// As the checker writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    #[serde(default)]
    diagnostics: Vec<SaidDiagnostic>,
    #[serde(default)]
    omitted: u32,
    #[serde(default)]
    unchecked: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidDiagnostic {
    code: String,
    category: SaidCategory,
    message: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    #[serde(default)]
    suggestion: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum SaidCategory {
    Error,
    Warning,
}

impl Verdict {
    /// There is none, for this reason.
    pub(super) fn unchecked(reason: String) -> Self {
        Self { unchecked: Some(visible(&reason, MAX_REASON)), ..Self::default() }
    }

    /// There is none yet, and the result does not wait for it.
    pub(super) fn late() -> Self {
        Self { is_late: true, ..Self::default() }
    }

    /// Reads what a checker says about a program.
    pub(super) fn read(json: &str, source: &str) -> Self {
        let Ok(Said { diagnostics, omitted, unchecked }) = serde_json::from_str(json) else {
            return Self::unchecked("The checker's answer cannot be read".to_owned());
        };
        if let Some(reason) = unchecked {
            return Self::unchecked(reason);
        }
        let lines = u32::try_from(source.split('\n').count()).unwrap_or(u32::MAX);
        let read = diagnostics.into_iter().take(MAX_DIAGNOSTICS);
        let mut diagnostics: Vec<_> = read.filter_map(|said| said.read(lines)).collect();
        diagnostics.sort_by_key(|diagnostic| diagnostic.category);
        for diagnostic in diagnostics.iter_mut().take(MAX_FRAMES) {
            let Diagnostic { line, column, .. } = *diagnostic;
            diagnostic.frame = code_frame(source, Place { line, column });
        }
        Self { diagnostics, omitted, ..Self::default() }
    }

    /// The name in logs and metrics.
    pub(in crate::runtime) fn name(&self) -> &'static str {
        match self.diagnostics.first() {
            _ if self.is_late => "late",
            _ if self.unchecked.is_some() => "unchecked",
            None => "ok",
            Some(first) => match first.category {
                DiagnosticCategory::Error => "error",
                DiagnosticCategory::Warning => "warning",
            },
        }
    }

    /// Why there is no verdict.
    pub(in crate::runtime) fn reason(&self) -> Option<&str> {
        self.unchecked.as_deref()
    }

    pub(in crate::runtime) fn has_errors(&self) -> bool {
        let first = self.diagnostics.first();
        first.is_some_and(|first| first.category == DiagnosticCategory::Error)
    }

    /// Adds it to the result of a run: the first of it, and beside an error what is about the
    /// same line.
    pub(in crate::runtime) fn add_to(self, execution: &mut Execution) {
        let failed_at = execution.error.as_ref().and_then(|error| error.detail.line);
        let is_shown = |diagnostic: &Diagnostic| {
            failed_at.is_none_or(|line| (diagnostic.line..=diagnostic.end_line).contains(&line))
        };
        let shown = self.diagnostics.into_iter().filter(is_shown);
        execution.diagnostics = shown.take(MAX_BESIDE).collect();
        execution.unchecked = self.unchecked;
    }

    /// The result of a program that did not run: because of its errors, or because it was only to
    /// be checked.
    pub(in crate::runtime) fn into_execution(self) -> Execution {
        let error = self.error();
        let status = if error.is_some() { Status::Error } else { Status::Success };
        let mut execution = Execution::not_run(status, error);
        execution.diagnostics = self.diagnostics;
        execution.unchecked = self.unchecked;
        execution
    }

    fn error(&self) -> Option<ExecutionError> {
        let first = self.diagnostics.first().filter(|_| self.has_errors())?;
        let is_error = |other: &&Diagnostic| other.category == DiagnosticCategory::Error;
        let more = self.diagnostics.iter().filter(is_error).count() - 1;
        let more = more + usize::try_from(self.omitted).unwrap_or(0);
        let head = first.message.lines().next().unwrap_or_default();
        let mut message = format!("Type error in line {}: {head}", first.line);
        if more > 0 {
            message.push_str(&format!(" ({more} more in diagnostics)"));
        }
        let detail = ErrorDetail {
            name: "TypeCheckError".to_owned(),
            message: first.message.clone(),
            line: Some(first.line),
            column: Some(first.column),
            frame: first.frame.clone(),
            ..ErrorDetail::default()
        };
        Some(ExecutionError { kind: ErrorKind::Type, message, detail })
    }
}

impl SaidDiagnostic {
    /// It as it may be shown; nothing, if it has no place in a program of so many lines.
    fn read(self, lines: u32) -> Option<Diagnostic> {
        let Self { code, message, line, column, end_line, end_column, .. } = self;
        let is_code = |c: char| c.is_ascii_alphanumeric();
        let has_place = (1..=lines).contains(&line) && column >= 1;
        if !has_place || code.len() > MAX_CODE || !code.chars().all(is_code) {
            return None;
        }
        let ends_after = (end_line, end_column) >= (line, column) && end_line <= lines;
        let (end_line, end_column) =
            if ends_after { (end_line, end_column) } else { (line, column) };
        Some(Diagnostic {
            code,
            category: match self.category {
                SaidCategory::Error => DiagnosticCategory::Error,
                SaidCategory::Warning => DiagnosticCategory::Warning,
            },
            message: shown::lines(&marked(message, MAX_MESSAGE)),
            line,
            column,
            end_line,
            end_column,
            suggestion: self.suggestion.map(|text| visible(&text, MAX_SUGGESTION)),
            frame: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SOURCE: &str = "const a = 1;\nshop.serch();\n";

    fn said(diagnostics: Value) -> Verdict {
        Verdict::read(&json!({ "diagnostics": diagnostics }).to_string(), SOURCE)
    }

    fn diagnostic(line: u32, category: &str) -> Value {
        json!({
            "code": "TS2551", "category": category, "message": "No serch.\nDid you mean search?",
            "line": line, "column": 6, "endLine": line, "endColumn": 11, "suggestion": "search"
        })
    }

    #[test]
    fn an_error_has_the_code_around_its_place() {
        let execution = said(json!([diagnostic(2, "error")])).into_execution();
        let error = execution.error.unwrap();
        assert_eq!(error.message, "Type error in line 2: No serch.");
        assert_eq!((error.kind, error.detail.line), (ErrorKind::Type, Some(2)));
        let frame = error.detail.frame.unwrap();
        assert_eq!(frame, "  1 | const a = 1;\n> 2 | shop.serch();\n    |      ^");
        assert_eq!(execution.diagnostics[0].suggestion.as_deref(), Some("search"));
    }

    #[test]
    fn a_program_with_warnings_alone_has_no_error() {
        let verdict = said(json!([diagnostic(1, "warning")]));
        assert_eq!((verdict.name(), verdict.has_errors()), ("warning", false));
        let execution = verdict.into_execution();
        assert_eq!((execution.status, execution.diagnostics.len()), (Status::Success, 1));
    }

    #[test]
    fn errors_come_first_and_are_counted() {
        let verdict = said(json!([diagnostic(1, "warning"), diagnostic(2, "error")]));
        assert_eq!(verdict.name(), "error");
        let execution = verdict.into_execution();
        let lines: Vec<_> = execution.diagnostics.iter().map(|found| found.line).collect();
        assert_eq!(lines, [2, 1]);
        let both = said(json!([diagnostic(1, "error"), diagnostic(2, "error")]));
        assert!(both.into_execution().error.unwrap().message.ends_with(" (1 more in diagnostics)"));
    }

    #[test]
    fn what_has_no_place_in_the_program_is_not_told() {
        let mut zero = diagnostic(1, "error");
        zero["column"] = json!(0);
        let verdict = said(json!([diagnostic(0, "error"), diagnostic(4, "error"), zero]));
        assert_eq!(verdict.name(), "ok");
    }

    #[test]
    fn a_result_has_five_of_them_and_beside_an_error_those_of_its_line() {
        let many: Vec<_> = (0..9).map(|_| diagnostic(1, "warning")).collect();
        let mut execution = Execution::not_run(Status::Success, None);
        said(json!(many)).add_to(&mut execution);
        assert_eq!(execution.diagnostics.len(), 5);
        execution.error = Some(ExecutionError {
            kind: ErrorKind::Runtime,
            message: String::new(),
            detail: ErrorDetail { line: Some(2), ..ErrorDetail::default() },
        });
        said(json!([diagnostic(1, "error"), diagnostic(2, "warning")])).add_to(&mut execution);
        assert_eq!(execution.diagnostics.iter().map(|d| d.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn an_answer_that_is_none_leaves_the_program_unchecked() {
        for text in ["", "null", r#"{"diagnostics": 1}"#] {
            assert_eq!(Verdict::read(text, SOURCE).name(), "unchecked", "{text}");
        }
        let verdict = Verdict::read(r#"{"unchecked": "too\u202e deep"}"#, SOURCE);
        assert_eq!(verdict.reason(), Some("too deep"));
    }

    #[test]
    fn texts_of_a_checker_are_bounded_and_visible() {
        let mut long = diagnostic(1, "error");
        long["message"] = json!("\u{202e}x".repeat(5000));
        let execution = said(json!([long])).into_execution();
        let message = &execution.diagnostics[0].message;
        assert!(message.len() <= MAX_MESSAGE + 4 && !message.contains('\u{202e}'));
        let mut code = diagnostic(1, "error");
        code["code"] = json!("TS1 <b>");
        assert_eq!(said(json!([code])).name(), "ok");
    }
}
