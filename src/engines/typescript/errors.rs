//! Errors of the program as its author can use them: name, message, place in
//! the code that was written, code frame, and a stack without our own frames.

use deno_core::error::{CoreError, CoreErrorKind, JsError};
use deno_core::v8;
use deno_error::JsErrorClass as _;

use super::js_error::{message_of, name_of, place_in_program};
use super::missing;
use super::related::related;
use crate::engines::v8::stop::Frame;
use crate::protocol::{Limit, Outcome, ProgramError, ProgramErrorKind};
use crate::text::clip::marked;
use crate::text::code_frame::{Place, code_frame};

/// Longest message and longest stack in bytes. A program chooses both.
const MAX_TEXT_BYTES: usize = 16 << 10;

/// What V8 throws when RLIMIT_DATA or the heap limit refuses an allocation.
const ALLOCATION_FAILURES: [&str; 3] = [
    "Array buffer allocation failed",
    "WebAssembly.Memory(): could not allocate memory",
    "WebAssembly.Memory.grow(): Unable to grow instance memory",
];

/// How far a program had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// V8 parses it and resolves its imports.
    Loading,
    Running,
}

/// The outcome of a run that V8 or deno_core ended with an error.
pub(super) fn outcome(source: &str, error: &CoreError, stage: Stage) -> Outcome {
    kind_outcome(source, error.as_kind(), stage)
}

fn kind_outcome(source: &str, error: &CoreErrorKind, stage: Stage) -> Outcome {
    match error {
        CoreErrorKind::Js(error) => js_outcome(source, error, stage),
        CoreErrorKind::CouldNotExecute { error, .. } => kind_outcome(source, error, stage),
        CoreErrorKind::PendingPromiseResolution => Outcome::Error(Box::new(never_resolved())),
        CoreErrorKind::JsBox(error) => runtime_error(error.get_class(), error.to_string()),
        other => runtime_error("Error", other.to_string()),
    }
}

/// An error that is not JavaScript's: of a module that was not loaded.
fn runtime_error(name: impl Into<String>, message: String) -> Outcome {
    let name = name.into();
    let kind = match name.as_str() {
        "NotCapable" => ProgramErrorKind::Permission,
        "SyntaxError" => ProgramErrorKind::Syntax,
        _ => ProgramErrorKind::Runtime,
    };
    Outcome::Error(Box::new(ProgramError {
        kind,
        name,
        message: marked(message, MAX_TEXT_BYTES),
        ..Default::default()
    }))
}

/// Nothing is left that could settle what the program awaits.
fn never_resolved() -> ProgramError {
    ProgramError {
        name: "Error".into(),
        message: "Top-level await promise never resolved".into(),
        ..Default::default()
    }
}

fn js_outcome(source: &str, error: &JsError, stage: Stage) -> Outcome {
    let message = error.message.clone().unwrap_or_default();
    if error.name.as_deref() == Some("RangeError")
        && ALLOCATION_FAILURES.contains(&message.as_str())
    {
        return Outcome::Exceeded { limit: Limit::Memory, stack: stack(error) };
    }
    Outcome::Error(Box::new(program_error(source, error, stage)))
}

/// Whether an error is of an import that policy has denied. deno_core makes a TypeError of
/// whatever keeps a dynamic import from being loaded; remote modules have one in Deno too.
fn is_denied_import(error: &JsError) -> bool {
    const FILE: &str = "Requires read access to \"";
    const MODULE: &str = "Requires import access to \"";
    let message = message_of(error);
    error.name.as_deref() == Some("TypeError")
        && (message.starts_with(FILE)
            || message.starts_with(MODULE) && message.contains("\", which no flag grants: "))
}

fn program_error(source: &str, error: &JsError, stage: Stage) -> ProgramError {
    let name = if is_denied_import(error) { "NotCapable" } else { name_of(error) };
    let mut place = error.frames.iter().find_map(place_in_program);
    let (related, text) = related(error).unzip();
    let related = related.unwrap_or_default();
    // Of what V8 itself threw, the first of its errors that the program made.
    let mut below = related.iter().filter_map(|below| below.line.zip(below.column));
    if place.is_none() {
        place = below.next().map(|(line, column)| Place { line, column });
    }
    let kind = match name {
        "NotCapable" => ProgramErrorKind::Permission,
        "SyntaxError" if stage == Stage::Loading => ProgramErrorKind::Syntax,
        _ => ProgramErrorKind::Runtime,
    };
    let mut message = marked(message_of(error), MAX_TEXT_BYTES);
    if name == "ReferenceError"
        && let Some(instead) = missing::instead_of(&message)
    {
        message = format!("{message}: {instead}");
    }
    ProgramError {
        kind,
        name: marked(name, MAX_TEXT_BYTES),
        message,
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        frame: place.and_then(|place| code_frame(source, place)),
        stack: text.map(|stack| marked(stack, MAX_TEXT_BYTES)).or_else(|| {
            let stack = stack(error)?;
            // Of a denied import, the stack's first line has the other name.
            let rest = stack.strip_prefix("TypeError").filter(|_| name == "NotCapable");
            Some(rest.map(|rest| format!("{name}{rest}")).unwrap_or(stack))
        }),
        related,
    }
}

fn stack(error: &JsError) -> Option<String> {
    error.stack.clone().map(|stack| marked(stack, MAX_TEXT_BYTES))
}

/// The stack at which the program was stopped, mapped to its source.
pub(super) fn stopped_stack(
    frames: Vec<Frame>,
    mut map: impl FnMut(&str, u32, u32) -> (String, u32, u32),
) -> Option<String> {
    let lines: Vec<String> = frames
        .into_iter()
        .filter(|frame| !is_of_snapshot(&frame.file))
        .map(|frame| {
            let (file, line, column) = map(&frame.file, frame.line, frame.column);
            if frame.function.is_empty() {
                format!("    at {file}:{line}:{column}")
            } else {
                format!("    at {} ({file}:{line}:{column})", frame.function)
            }
        })
        .collect();
    (!lines.is_empty()).then(|| marked(lines.join("\n"), MAX_TEXT_BYTES))
}

/// The frames of a stack trace that are the program's own. V8 calls this, in
/// place of deno_core's, whenever a stack is captured.
pub(super) fn prepare_stack_trace<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    error: v8::Local<'s, v8::Value>,
    sites: v8::Local<'s, v8::Array>,
) -> v8::Local<'s, v8::Value> {
    let mut own = Vec::new();
    for index in 0..sites.length() {
        if let Some(site) = sites.get_index(scope, index)
            && !is_internal(scope, site)
        {
            own.push(site);
        }
    }
    let own = v8::Array::new_with_elements(scope, &own);
    deno_core::error::prepare_stack_trace_callback(scope, error, own)
}

/// Whether a call site lies in a script of the snapshot. Asks V8's own method,
/// kept since before any program could replace it.
fn is_internal<'s>(scope: &mut v8::PinScope<'s, '_>, site: v8::Local<'s, v8::Value>) -> bool {
    let Some(method) = scope.get_slot::<ScriptName>().map(|slot| slot.0.clone()) else {
        return false;
    };
    let method = v8::Local::new(scope, method);
    v8::tc_scope!(let scope, scope);
    let name = method.call(scope, site, &[]);
    name.is_some_and(|name| is_of_snapshot(&name.to_rust_string_lossy(scope)))
}

fn is_of_snapshot(script: &str) -> bool {
    script.starts_with("ext:") || script.starts_with("node:")
}

/// `CallSite.prototype.getScriptNameOrSourceURL`, in an isolate slot.
pub(super) struct ScriptName(pub v8::Global<v8::Function>);
