//! From places in transpiled code to those in the program's source.

use std::cell::RefCell;

use deno_core::{SourceMapApplication as Mapped, SourceMapper};

use super::meta::MAIN;
use crate::worker::ScriptPlace;

/// Line and column in the code that the user wrote.
pub(super) fn in_source(
    mapper: &RefCell<SourceMapper>,
    (script, line, column): &ScriptPlace,
) -> Option<(u32, u32)> {
    let (line, column) = (*line, *column);
    if script != MAIN || line == 0 || column == 0 {
        return None;
    }
    match mapper.borrow_mut().apply_source_map(script, line, column) {
        Mapped::Unchanged => Some((line, column)),
        Mapped::LineAndColumn { line_number, column_number }
        | Mapped::LineAndColumnAndFileName { line_number, column_number, .. } => {
            Some((line_number, column_number))
        }
    }
}
