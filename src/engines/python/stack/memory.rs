//! CPython's structures in the memory of its instance, by the offsets that it has for debuggers
//! (`_Py_DebugOffsets` of 3.15 for wasm32). Whatever the memory holds, a read is within it.

use super::lines;

/// How `_PyRuntime` begins, and behind that the version: 3.15 of any micro and level.
const COOKIE: &[u8; 8] = b"xdebugpy";
const VERSION: u64 = 0x030f;
const VERSION_SHIFT: u32 = 16;

const INTERPRETERS_HEAD: u32 = 924;
const THREADS_HEAD: u32 = 3696;
const CURRENT_FRAME: u32 = 56;

const FRAME_EXECUTABLE: u32 = 0;
const FRAME_PREVIOUS: u32 = 4;
const FRAME_INSTRUCTION: u32 = 28;
const FRAME_STACK_POINTER: u32 = 32;
const FRAME_LOCALS: u32 = 40;

const CODE_FIRST_LINE: u32 = 44;
const CODE_FILE: u32 = 80;
const CODE_NAME: u32 = 84;
const CODE_LINES: u32 = 92;
const CODE_INSTRUCTIONS: u32 = 128;

/// Bytes of an instruction or its cache.
const CODE_UNIT: u32 = 2;

const OBJECT_TYPE: u32 = 4;
const TYPE_NAME: u32 = 12;
const COROUTINE_FRAME: u32 = 36;

const BYTES_LENGTH: u32 = 8;
const BYTES_START: u32 = 16;

const TEXT_LENGTH: u32 = 8;
const TEXT_STATE: u32 = 16;
const TEXT_ASCII_START: u32 = 20;
const TEXT_START: u32 = 28;

/// In the state of a text: the bytes of a character, and whether all are ASCII.
const TEXT_KIND_SHIFT: u32 = 2;
const TEXT_KIND_MASK: u32 = 7;
const TEXT_IS_ASCII: u32 = 1 << 6;

/// Two references below the end of a frame's stack.
const AWAITED_BELOW: u32 = 8;

/// A reference's lowest bits say how it is counted.
const TAG: u32 = 3;

/// Longest name of a file or function that is read, in characters.
const MAX_NAME: u32 = 200;

/// Longest table of lines that is read: a program has at most 1 MiB, and a byte of it few entries.
const MAX_LINES: u32 = 16 << 20;

/// Coroutines that wait for each other and are looked at.
const MAX_WAITING: usize = 100;

pub(super) struct Memory<'a>(&'a [u8]);

impl<'a> Memory<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The address of `_PyRuntime`, if this is the CPython that the offsets are of. It takes 1 ms.
    fn runtime(&self) -> Option<u32> {
        let (words, _) = self.0.as_chunks::<8>();
        let is_here = |pair: &[[u8; 8]]| {
            pair[0] == *COOKIE && u64::from_le_bytes(pair[1]) >> VERSION_SHIFT == VERSION
        };
        let index = words.windows(2).position(is_here)?;
        u32::try_from(index * 8).ok()
    }

    /// The state of the only thread.
    pub(super) fn thread(&self) -> Option<u32> {
        let interpreter = self.number(self.runtime()?, INTERPRETERS_HEAD)?;
        self.number(interpreter, THREADS_HEAD)
    }

    /// The innermost frame of the thread.
    pub(super) fn current_frame(&self) -> Option<u32> {
        self.number(self.thread()?, CURRENT_FRAME)
    }

    /// The frame of the caller; 0 for none.
    pub(super) fn previous(&self, frame: u32) -> Option<u32> {
        self.number(frame, FRAME_PREVIOUS)
    }

    /// The file that a frame's code is of.
    pub(super) fn file_of(&self, frame: u32) -> Option<String> {
        self.text(self.number(self.code_of(frame)?, CODE_FILE)?)
    }

    /// The name of a frame's code.
    pub(super) fn function_of(&self, frame: u32) -> Option<String> {
        self.text(self.number(self.code_of(frame)?, CODE_NAME)?)
    }

    /// The line that a frame is at.
    pub(super) fn line_of(&self, frame: u32) -> Option<u32> {
        let code = self.code_of(frame)?;
        let instruction = self.number(frame, FRAME_INSTRUCTION)?;
        let offset = instruction.checked_sub(code.checked_add(CODE_INSTRUCTIONS)?)?;
        let table = self.number(code, CODE_LINES)?;
        let length = self.number(table, BYTES_LENGTH)?.min(MAX_LINES);
        let table = self.part(table.checked_add(BYTES_START)?, length)?;
        lines::line_of(table, self.number(code, CODE_FIRST_LINE)?, offset / CODE_UNIT)
    }

    /// The first variable of a frame: its first argument, if it has one.
    pub(super) fn first_local(&self, frame: u32) -> Option<u32> {
        Some(self.number(frame, FRAME_LOCALS)? & !TAG)
    }

    /// The frames of a coroutine that waits, and of those that it waits for, the innermost last.
    pub(super) fn suspended(&self, coroutine: u32) -> Vec<u32> {
        let mut frames = Vec::new();
        let mut next = Some(coroutine);
        while let Some(frame) = next.and_then(|object| self.frame_of(object)) {
            if frames.len() >= MAX_WAITING {
                break;
            }
            frames.push(frame);
            next = self.awaited(frame);
        }
        frames
    }

    fn frame_of(&self, object: u32) -> Option<u32> {
        let frame = object.checked_add(COROUTINE_FRAME)?;
        (object != 0 && self.is_a(object, b"coroutine\0")).then_some(frame)
    }

    /// What a frame waits for, if it is suspended: it has that on its stack, below a null.
    fn awaited(&self, frame: u32) -> Option<u32> {
        let receiver = self.number(frame, FRAME_STACK_POINTER)?.checked_sub(AWAITED_BELOW)?;
        Some(self.number(receiver, 0)? & !TAG)
    }

    fn code_of(&self, frame: u32) -> Option<u32> {
        let code = self.number(frame, FRAME_EXECUTABLE)? & !TAG;
        self.is_a(code, b"code\0").then_some(code)
    }

    fn is_a(&self, object: u32, name: &[u8]) -> bool {
        let name_of = || {
            let kind = self.number(object, OBJECT_TYPE)?;
            self.part(self.number(kind, TYPE_NAME)?, u32::try_from(name.len()).ok()?)
        };
        name_of() == Some(name)
    }

    /// A str, or the beginning of it.
    fn text(&self, object: u32) -> Option<String> {
        if !self.is_a(object, b"str\0") {
            return None;
        }
        let state = self.number(object, TEXT_STATE)?;
        let start = if state & TEXT_IS_ASCII == 0 { TEXT_START } else { TEXT_ASCII_START };
        let width = (state >> TEXT_KIND_SHIFT) & TEXT_KIND_MASK;
        let length = self.number(object, TEXT_LENGTH)?.min(MAX_NAME) * width;
        let bytes = self.part(object.checked_add(start)?, length)?;
        let width = usize::try_from(width).ok().filter(|width| matches!(width, 1 | 2 | 4))?;
        Some(bytes.chunks_exact(width).map(character).collect())
    }

    /// Four bytes of a structure, at an offset into it.
    fn number(&self, start: u32, offset: u32) -> Option<u32> {
        let bytes = self.part(start.checked_add(offset)?, 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    fn part(&self, start: u32, length: u32) -> Option<&'a [u8]> {
        let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
        self.0.get(start..start.checked_add(length)?)
    }
}

/// One character of as many bytes. Control characters could write other lines than they are in.
fn character(bytes: &[u8]) -> char {
    let code = bytes.iter().rev().fold(0, |code, &byte| code << 8 | u32::from(byte));
    char::from_u32(code).filter(|char| !char.is_control()).unwrap_or(char::REPLACEMENT_CHARACTER)
}
