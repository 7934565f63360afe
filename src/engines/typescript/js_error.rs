//! What V8 says of an error, as it is used here.

use deno_core::error::{JsError, JsStackFrame};

use super::meta::MAIN;
use crate::text::code_frame::Place;

/// The name of an error; of a thrown value that is none, what most have.
pub(super) fn name_of(error: &JsError) -> &str {
    error.name.as_deref().unwrap_or("Error")
}

/// Its message.
pub(super) fn message_of(error: &JsError) -> &str {
    match (&error.name, &error.message) {
        (_, Some(message)) => message,
        // Thrown values that are no errors come as "Uncaught …".
        (None, None) => &error.exception_message,
        (Some(_), None) => "",
    }
}

/// Where in the program a frame is, if it is there.
pub(super) fn place_in_program(frame: &JsStackFrame) -> Option<Place> {
    if frame.file_name.as_deref() != Some(MAIN) {
        return None;
    }
    let number = |n: Option<i64>| n.and_then(|n| u32::try_from(n).ok());
    Some(Place { line: number(frame.line_number)?, column: number(frame.column_number)? })
}
