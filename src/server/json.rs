//! An execution as JSON: the `structuredContent` of a tool result and the
//! output of `run --json`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::content::see_block;
use crate::runtime::{
    Diagnostic, ErrorDetail, Execution, Image, Status, ToolCallSummary, UnfinishedWork,
};

/// The result of a program.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionJson {
    /// "success" or "error". A program that fails is a successful tool call with status "error".
    status: &'static str,
    /// Lines that the program printed, in order of arrival.
    output: Vec<String>,
    /// The program's value as JSON; null if it has none, or failed before its value was reached.
    return_value: Value,
    /// Wall time in milliseconds.
    execution_time: u64,
    /// Why the program failed, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    error: Option<String>,
    /// The kind of failure: syntax, runtime, permission, timeout, cpu, memory, output, value, crash, dependency-not-allowed or type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    error_type: Option<&'static str>,
    /// Where the program failed, in the code as it was passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ErrorDetailJson")]
    error_detail: Option<ErrorDetailJson>,
    /// What the check of types has found, errors first. With errorType type the program did not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<DiagnosticJson>,
    /// Why the program's types were not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    unchecked: Option<String>,
    /// Tool calls to other MCP servers, one entry for each tool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCallJson>,
    /// Pictures that the program made, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<ImageJson>,
    /// What was left out of the value or of the pictures, and tools that the conversation has loaded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// The handle of the conversation, to be passed with the next call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    conversation: Option<String>,
    /// Work that was not awaited and did not finish soon after the value was reached: it was
    /// ended. Await it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unfinished: Vec<UnfinishedJson>,
    /// What was truncated, and by which limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TruncatedJson")]
    truncated: Option<TruncatedJson>,
}

/// An error's parts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct ErrorDetailJson {
    /// The error's class.
    name: String,
    /// The error's message.
    message: String,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    line: Option<u32>,
    /// Column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    column: Option<u32>,
    /// The lines around the position, with a marker under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    frame: Option<String>,
    /// The stack trace, with the errors that this one contains and was caused by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    stack: Option<String>,
    /// Its cause: an object like this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Map<String, Value>")]
    cause: Option<Box<ErrorDetailJson>>,
    /// The errors of an AggregateError: objects like this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Map<String, Value>>")]
    errors: Vec<ErrorDetailJson>,
}

/// A finding of the check of types.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DiagnosticJson {
    /// TypeScript's code, such as TS2551; or tool.
    code: String,
    /// error, or warning: it may be meant so.
    category: &'static str,
    /// What is wrong.
    message: String,
    /// Line, from 1.
    line: u32,
    /// Column, from 1.
    column: u32,
    /// Line of its end.
    end_line: u32,
    /// Column of its end, which is not part of it.
    end_column: u32,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    suggestion: Option<String>,
    /// The lines around the place, with a marker under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    frame: Option<String>,
}

impl From<Diagnostic> for DiagnosticJson {
    fn from(diagnostic: Diagnostic) -> Self {
        let Diagnostic { code, category, message, line, column, .. } = diagnostic;
        Self {
            code,
            category: category.name(),
            message,
            line,
            column,
            end_line: diagnostic.end_line,
            end_column: diagnostic.end_column,
            suggestion: diagnostic.suggestion,
            frame: diagnostic.frame,
        }
    }
}

/// All calls of one tool.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct ToolCallJson {
    /// The tool, as server/tool; in Python mcp__server__tool.
    tool: String,
    /// How many calls there were.
    calls: u32,
    /// How many of them failed.
    errors: u32,
    /// Milliseconds that all of them took together.
    ms: u64,
}

/// A picture.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageJson {
    /// Its type, such as image/png.
    mime_type: &'static str,
    /// Where it is in the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    note: Option<String>,
    /// The file in base64, where it is nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    data: Option<String>,
}

/// Work that was begun and not awaited.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct UnfinishedJson {
    /// What it is.
    what: String,
    /// Line where it was started, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    line: Option<u32>,
    /// Column where it was started, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    column: Option<u32>,
    /// How many there are, if more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    count: Option<u32>,
}

/// What was truncated.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct TruncatedJson {
    /// Where the output was truncated, and by which limit.
    output: String,
}

/// An execution as a JSON tree that takes over its lines and value: a copy of them may be some MiB.
/// Its pictures are in blocks, and told as these.
pub(super) fn structured(
    mut execution: Execution,
    images: Vec<ImageJson>,
) -> serde_json::Result<Value> {
    let output = std::mem::take(&mut execution.output);
    let return_value = execution.return_value.take();
    let execution = ExecutionJson { images, ..ExecutionJson::from(execution) };
    let mut tree = serde_json::to_value(execution)?;
    tree["output"] = output.into_iter().map(Value::String).collect();
    tree["returnValue"] = return_value;
    Ok(tree)
}

/// Pictures that are in content blocks, of which so many precede theirs.
pub(super) fn pictures(images: &[Image], before: usize) -> Vec<ImageJson> {
    let of_block = |(at, image): (usize, &Image)| ImageJson {
        mime_type: image.mime_type,
        note: Some(see_block(before + at)),
        data: None,
    };
    images.iter().enumerate().map(of_block).collect()
}

impl From<Image> for ImageJson {
    fn from(Image { mime_type, bytes, .. }: Image) -> Self {
        Self { mime_type, note: None, data: Some(STANDARD.encode(bytes)) }
    }
}

impl From<Execution> for ExecutionJson {
    fn from(execution: Execution) -> Self {
        let (error, error_type, error_detail) = match execution.error {
            Some(error) => {
                let kind = error.kind.name();
                (Some(error.message), Some(kind), Some(error.detail.into()))
            }
            None => (None, None, None),
        };
        Self {
            status: match execution.status {
                Status::Success => "success",
                Status::Error => "error",
            },
            output: execution.output,
            return_value: execution.return_value,
            execution_time: u64::try_from(execution.execution_time.as_millis()).unwrap_or(u64::MAX),
            error,
            error_type,
            error_detail,
            diagnostics: execution.diagnostics.into_iter().map(DiagnosticJson::from).collect(),
            unchecked: execution.unchecked,
            tool_calls: execution.tool_calls.into_iter().map(ToolCallJson::from).collect(),
            images: execution.images.into_iter().map(ImageJson::from).collect(),
            notes: execution.notes,
            conversation: execution.conversation,
            unfinished: execution.unfinished.into_iter().map(UnfinishedJson::from).collect(),
            truncated: execution.truncated.map(|cut| TruncatedJson { output: cut.output }),
        }
    }
}

impl From<ToolCallSummary> for ToolCallJson {
    fn from(ToolCallSummary { tool, calls, errors, time, .. }: ToolCallSummary) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { tool, calls, errors, ms }
    }
}

impl From<UnfinishedWork> for UnfinishedJson {
    fn from(UnfinishedWork { what, line, column, count, .. }: UnfinishedWork) -> Self {
        Self { what, line, column, count: (count > 1).then_some(count) }
    }
}

impl From<ErrorDetail> for ErrorDetailJson {
    /// As deep as an [`ErrorDetail`] is: at most as `related` makes it.
    fn from(detail: ErrorDetail) -> Self {
        Self {
            name: detail.name,
            message: detail.message,
            line: detail.line,
            column: detail.column,
            frame: detail.frame,
            stack: detail.stack,
            cause: detail.cause.map(|cause| Box::new((*cause).into())),
            errors: detail.errors.into_iter().map(Self::from).collect(),
        }
    }
}
