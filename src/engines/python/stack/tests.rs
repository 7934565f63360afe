//! Stacks in memories that are written here as CPython lays them out.

use super::lines::line_of;
use super::{line, text};

/// `co_linetable` of CPython for a function that begins in line 1.
const TABLE: &[u8] = &[
    248, 128, 0, 216, 8, 9, 128, 65, 221, 13, 18, 144, 49, 137, 88, 140, 88, 240, 0, 4, 5, 10, 240,
    0, 4, 5, 10, 136, 1, 216, 8, 9, 141, 81, 216, 12, 13, 216, 12, 13, 241, 5, 3, 14, 10, 244, 0,
    3, 14, 10, 241, 0, 3, 9, 10, 136, 1, 136, 1, 240, 12, 1, 5, 17, 240, 0, 1, 5, 17, 240, 0, 1, 5,
    17, 240, 0, 1, 5, 17, 240, 0, 1, 5, 17, 240, 6, 0, 9, 10, 240, 3, 2, 5, 6,
];

#[test]
fn a_line_is_that_of_its_code_unit() {
    for (unit, line) in [(1, 1), (2, 2), (21, 4), (29, 6), (30, 4), (41, 10), (46, 13), (47, 12)] {
        assert_eq!(line_of(TABLE, 1, unit), Some(line), "{unit}");
    }
    assert_eq!(line_of(TABLE, 1, 0), None, "it has none");
    assert_eq!(line_of(TABLE, 1, 10_000), None);
}

#[test]
fn a_table_that_ends_in_the_middle_has_no_line() {
    for end in 0..TABLE.len() {
        assert_eq!(line_of(&TABLE[..end], 1, 48), None, "{end}");
    }
    // A number of more bits than there are.
    assert_eq!(line_of(&[0b1110_1000, 127, 127, 127, 127, 127, 127, 127], 1, 0), None);
    assert_eq!(line_of(&[0b1110_1000, 127, 63], 1, 0), None, "before the first line");
}

/// Where `_PyRuntime` is here.
const RUNTIME: u32 = 64;

/// A memory that grows.
struct Bed {
    bytes: Vec<u8>,
    code: u32,
    text: u32,
    coroutine: u32,
}

impl Bed {
    fn new() -> Self {
        let mut bed = Self { bytes: vec![0; 8192], code: 0, text: 0, coroutine: 0 };
        bed.bytes[64..72].copy_from_slice(b"xdebugpy");
        bed.put(RUNTIME + 8, 0x030f_01a2);
        bed.put(RUNTIME + 924, 1024);
        bed.put(1024 + 3696, 6000);
        (bed.code, bed.text) = (bed.kind("code"), bed.kind("str"));
        bed.coroutine = bed.kind("coroutine");
        bed
    }

    fn put(&mut self, at: u32, number: u32) {
        let at = at as usize;
        self.bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    /// Room for a structure, at the end.
    fn room(&mut self, length: usize) -> u32 {
        let start = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(start + length, 0);
        u32::try_from(start).expect("a small memory")
    }

    fn kind(&mut self, name: &str) -> u32 {
        let (kind, at) = (self.room(64), self.room(name.len() + 1));
        self.bytes[at as usize..][..name.len()].copy_from_slice(name.as_bytes());
        self.put(kind + 12, at);
        kind
    }

    fn string(&mut self, text: &str) -> u32 {
        let units: Vec<u8> = match text.is_ascii() {
            true => text.into(),
            false => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        };
        let (object, start) = (self.room(32 + units.len()), if text.is_ascii() { 20 } else { 28 });
        self.put(object + 4, self.text);
        self.put(object + 8, u32::try_from(text.chars().count()).expect("a short text"));
        self.put(object + 16, if text.is_ascii() { 1 << 2 | 1 << 6 } else { 2 << 2 });
        self.bytes[(object + start) as usize..][..units.len()].copy_from_slice(&units);
        object
    }

    /// A frame of a function that begins in line 1, at a code unit.
    fn frame(&mut self, at: u32, (file, name, unit): (&str, &str, u32)) -> u32 {
        let (file, name) = (self.string(file), self.string(name));
        let (code, table) = (self.room(132), self.room(16 + TABLE.len()));
        self.put(table + 8, u32::try_from(TABLE.len()).expect("a short table"));
        self.bytes[table as usize + 16..][..TABLE.len()].copy_from_slice(TABLE);
        for (offset, number) in [(4, self.code), (44, 1), (80, file), (84, name), (92, table)] {
            self.put(code + offset, number);
        }
        self.put(at, code | 1);
        self.put(at + 28, code + 128 + 2 * unit);
        at
    }

    /// Frames that call each other, the innermost last.
    fn calls(&mut self, calls: &[(&str, &str, u32)]) -> Vec<u32> {
        let mut frames = Vec::new();
        for &call in calls {
            let at = self.room(64);
            let frame = self.frame(at, call);
            self.put(frame + 4, frames.last().copied().unwrap_or(0));
            frames.push(frame);
        }
        self.put(6000 + 56, *frames.last().expect("a call"));
        frames
    }

    /// A coroutine that waits for another one, or for something else.
    fn coroutine(&mut self, call: (&str, &str, u32), awaited: u32) -> u32 {
        let coroutine = self.room(36 + 64);
        self.put(coroutine + 4, self.coroutine);
        let frame = self.frame(coroutine + 36, call);
        self.put(frame + 40, awaited | 1);
        self.put(frame + 44, 1);
        self.put(frame + 32, frame + 48);
        coroutine
    }
}

const LIBRARY: &str = "/usr/local/lib/python315.zip/functools.py";

#[test]
fn calls_of_the_author_are_shown_as_python_does() {
    let mut bed = Bed::new();
    bed.calls(&[
        ("<conductor>/program.py", "evaluate", 0),
        ("<program>", "<module>", 2),
        (LIBRARY, "reduce", 0),
        ("/ws/größe.py", "f", 1),
        ("<program>", "g", 21),
        ("<conductor>/output.py", "sleep", 0),
    ]);
    let source = "one\n  two = 2  \nthree\nfour()";
    let expected = "Stack (most recent call last):\n  \
        File \"<program>\", line 2, in <module>\n    two = 2\n  \
        File \"/ws/größe.py\", line 1, in f\n  \
        File \"<program>\", line 4, in g\n    four()";
    assert_eq!(text(&bed.bytes, source).as_deref(), Some(expected));
    assert_eq!(line(&bed.bytes), Some(4));
}

#[test]
fn what_a_coroutine_waits_for_is_below_the_call_that_goes_on_with_it() {
    let mut bed = Bed::new();
    let sleep = bed.coroutine((LIBRARY, "sleep", 0), 0);
    let inner = bed.coroutine(("<program>", "inner", 21), sleep);
    let outer = bed.coroutine(("<program>", "<module>", 2), inner);
    let frames = bed.calls(&[("<conductor>/program.py", "evaluate", 0)]);
    bed.put(frames[0] + 40, outer);
    let expected = "Stack (most recent call last):\n  \
        File \"<program>\", line 2, in <module>\n  File \"<program>\", line 4, in inner";
    assert_eq!(text(&bed.bytes, "").as_deref(), Some(expected));
    assert_eq!(line(&bed.bytes), None, "it does not run");
}

#[test]
fn of_a_deep_recursion_the_innermost_calls_are_shown() {
    let mut bed = Bed::new();
    bed.calls(&[("<program>", "f", 1); 50]);
    assert_eq!(text(&bed.bytes, "").map(|text| text.lines().count()), Some(11));
}

#[test]
fn circles_end() {
    let mut bed = Bed::new();
    let frames = bed.calls(&[(LIBRARY, "f", 0), (LIBRARY, "f", 0)]);
    bed.put(frames[0] + 4, frames[1]);
    assert_eq!((text(&bed.bytes, ""), line(&bed.bytes)), (None, None));
    let coroutine = bed.coroutine((LIBRARY, "f", 0), 0);
    bed.put(coroutine + 36 + 40, coroutine);
    let frames = bed.calls(&[("<conductor>/program.py", "evaluate", 0)]);
    bed.put(frames[0] + 40, coroutine);
    assert_eq!(text(&bed.bytes, ""), None);
}

#[test]
fn a_memory_of_anything_is_read_within_its_bounds() {
    let mut bed = Bed::new();
    let coroutine = bed.coroutine(("<program>", "f", 21), 0);
    let frames = bed.calls(&[("<conductor>/a.py", "f", 0), ("<program>", "g", 2)]);
    bed.put(frames[0] + 40, coroutine);
    for at in (0..bed.bytes.len() - 4).step_by(4) {
        for number in [0, 1, u32::MAX, u32::MAX - 127, 0x7fff_ffff] {
            let mut bytes = bed.bytes.clone();
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            text(&bytes, "");
            line(&bytes);
        }
    }
    for end in 0..bed.bytes.len() {
        text(&bed.bytes[..end], "");
    }
}

#[test]
fn another_python_has_no_stack() {
    let mut bed = Bed::new();
    bed.calls(&[("<program>", "f", 1)]);
    assert!(text(&bed.bytes, "").is_some());
    bed.put(RUNTIME + 8, 0x0310_00f0);
    assert_eq!(text(&bed.bytes, ""), None);
}
