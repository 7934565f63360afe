//! Where a program is when it is ended, read from the interpreter's memory while it stands still.
//!
//! A guest that V8 terminates has no chance to say it, and nothing is kept for that case while it
//! runs. What is read is the program's to change: it may be told a wrong line, and nobody else.

mod lines;
mod memory;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use self::memory::Memory;
use crate::text::clip::head;

/// Calls that are shown, the innermost; more do not help to find a loop.
const MAX_FRAMES: usize = 10;

/// Frames that are looked at, the library's among them: 20 times what Python's own limit of
/// recursion allows, some milliseconds.
const MAX_WALKED: usize = 20_000;

/// Bytes of a source line, as in the frame of an error.
const MAX_LINE: usize = 120;

/// The program's own file, and those of the boot program.
const PROGRAM: &str = "<program>";
const BOOT: &str = "<conductor>/";

/// How files begin that are nobody's but the interpreter's.
const FOREIGN: [&str; 2] = ["/usr/local/lib/", "<"];

/// A call of the author's code.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    file: String,
    line: Option<u32>,
    function: String,
}

/// The calls of the program that were running, and of coroutines that were waited for, as Python
/// writes them.
pub(super) fn text(memory: &[u8], source: &str) -> Option<String> {
    let memory = Memory::new(memory);
    let calls = calls(&memory, memory.current_frame()?);
    if calls.is_empty() {
        return None;
    }
    let mut text = "Stack (most recent call last):".to_owned();
    for call in calls.iter().rev() {
        describe(&mut text, call, source);
    }
    Some(text)
}

/// Where the state of the interpreter's thread is, if it is the CPython that is known here.
pub(super) fn thread_state(memory: &[u8]) -> Option<u32> {
    Memory::new(memory).thread()
}

/// The line of the program that is running.
pub(super) fn line(memory: &[u8]) -> Option<u32> {
    let memory = Memory::new(memory);
    let mut frame = memory.current_frame()?;
    for _ in 0..MAX_WALKED {
        if memory.file_of(frame).is_some_and(|file| file == PROGRAM) {
            return memory.line_of(frame);
        }
        frame = memory.previous(frame).filter(|&frame| frame != 0)?;
    }
    None
}

fn describe(text: &mut String, Call { file, line, function }: &Call, source: &str) {
    let Some(line) = *line else {
        let _ = write!(text, "\n  File \"{file}\", in {function}");
        return;
    };
    let _ = write!(text, "\n  File \"{file}\", line {line}, in {function}");
    let index = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
    let written = index.filter(|_| file == PROGRAM).and_then(|index| source.lines().nth(index));
    if let Some(written) = written.map(str::trim).filter(|written| !written.is_empty()) {
        let _ = write!(text, "\n    {}", head(written, MAX_LINE));
    }
}

/// The author's calls, the innermost first.
fn calls(memory: &Memory<'_>, innermost: u32) -> Vec<Call> {
    let (mut calls, mut seen) = (Vec::new(), Vec::new());
    let mut frame = innermost;
    for _ in 0..MAX_WALKED {
        if frame == 0 || calls.len() >= MAX_FRAMES {
            break;
        }
        let file = memory.file_of(frame).unwrap_or_default();
        if is_own(&file) {
            seen.push(frame);
            calls.extend(call(memory, frame, file));
        } else if file.starts_with(BOOT) {
            calls.extend(waiting(memory, frame, &seen));
        }
        let Some(previous) = memory.previous(frame) else { break };
        frame = previous;
    }
    calls.truncate(MAX_FRAMES);
    calls
}

fn is_own(file: &str) -> bool {
    file == PROGRAM || !(file.is_empty() || FOREIGN.iter().any(|begin| file.starts_with(begin)))
}

fn call(memory: &Memory<'_>, frame: u32, file: String) -> Option<Call> {
    let function = memory.function_of(frame)?;
    Some(Call { file, line: memory.line_of(frame), function })
}

/// What the coroutine waits for that a call of the boot program goes on with: its first argument.
/// One that runs is on the stack itself.
fn waiting(memory: &Memory<'_>, frame: u32, seen: &[u32]) -> Vec<Call> {
    let coroutine = memory.first_local(frame).unwrap_or(0);
    let frames = memory.suspended(coroutine);
    if frames.iter().any(|frame| seen.contains(frame)) {
        return Vec::new();
    }
    let own = |&frame: &u32| {
        let file = memory.file_of(frame).filter(|file| is_own(file))?;
        call(memory, frame, file)
    };
    frames.iter().rev().filter_map(own).take(MAX_FRAMES).collect()
}
