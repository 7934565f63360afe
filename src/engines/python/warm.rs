//! What is run before any program is there.

use std::path::Path;

use super::boot;
use super::interpreter::Interpreter;
use crate::sandbox::sys;
use crate::worker::LoadError;

/// Runs a fixed corpus of programs, so that the code which programs use is compiled before the
/// fork, and makes memory cheap to fork: a page table of one entry for 2 MiB, and none for what
/// was read of the component.
pub(super) fn warm_up(interpreter: &mut Interpreter, component: &Path) -> Result<(), LoadError> {
    boot::turn(interpreter, boot::WARM)?;
    interpreter.collect();
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    sys::forget_files(&maps, component);
    sys::collapse_to_huge_pages(&maps);
    Ok(())
}

/// Does what every run does first, so that the pages which that writes are this process's own
/// before its program arrives.
pub(super) fn touch(interpreter: &mut Interpreter) {
    super::run::expect_turn(interpreter, boot::TOUCH);
}
