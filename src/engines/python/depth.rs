//! How deep functions of C may call each other in the interpreter.
//!
//! WebAssembly has two stacks. What C needs by address is in the memory, where python.wasm has
//! 16 MiB for it; CPython, which cannot know that, takes it to be 128 KiB (`Py_C_STACK_SIZE` of
//! wasi in Python/ceval.c of 3.15), and ends recursion through `functools.lru_cache`, `sorted` or
//! `repr` at 100 to 200 levels. Its limits are two words of its thread's state.

use super::stack::thread_state;

/// Where `_PyThreadStateImpl` has `c_stack_top`; the soft and the hard limit follow it.
const STACK_TOP: usize = 784;

/// The top of the stack in python.wasm: its data begins there, the stack ends at 0.
const TOP: u32 = 16 << 20;

/// What CPython takes for the size of the stack.
const ASSUMED: u32 = 128 << 10;

/// `_PyOS_STACK_MARGIN_BYTES`: the hard limit is so far from the end, the soft one twice.
const MARGIN: u32 = 8 << 10;

/// The size from here on. A level takes 550 bytes by `lru_cache` and 1,300 by the two calls of
/// `sorted` with a key, so that Python's own limit of 1,000 calls comes first. A list of lists takes
/// 16 bytes a level in `json.loads`: 44,000 levels, which have 1,100 bytes each of the stack of
/// machine code, where two calls take a third of that.
const SIZE: u32 = 704 << 10;

/// Raises the limits, if they are what is known of this interpreter. Whether they were.
pub(super) fn allow(memory: &mut [u8]) -> bool {
    let limits = thread_state(memory).and_then(|thread| {
        let start = usize::try_from(thread).ok()?.checked_add(STACK_TOP)?;
        memory.get_mut(start..)?.first_chunk_mut::<12>()
    });
    let Some(limits) = limits.filter(|limits| **limits == words(ASSUMED)) else { return false };
    *limits = words(SIZE);
    true
}

/// The top of a stack of a size, and its limits.
fn words(size: u32) -> [u8; 12] {
    let mut words = [0; 12];
    for (word, number) in
        words.as_chunks_mut().0.iter_mut().zip([TOP, TOP - size + 2 * MARGIN, TOP - size + MARGIN])
    {
        *word = number.to_le_bytes();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A memory with a runtime, an interpreter and a thread in it.
    fn memory(limits: [u32; 3]) -> Vec<u8> {
        let mut bytes = vec![0; 16 << 10];
        bytes[64..72].copy_from_slice(b"xdebugpy");
        let mut put = |at: usize, number: u32| {
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        };
        put(72, 0x030f_01a2);
        put(64 + 924, 1024);
        put(1024 + 3696, 8192);
        for (at, number) in (8192 + STACK_TOP..).step_by(4).zip(limits) {
            put(at, number);
        }
        bytes
    }

    /// As they were read from the interpreter.
    const KNOWN: [u32; 3] = [16_777_216, 16_662_528, 16_654_336];

    #[test]
    fn the_limits_that_are_known_are_raised() {
        let mut bytes = memory(KNOWN);
        assert!(allow(&mut bytes));
        assert_eq!(bytes, memory([16_777_216, 16_072_704, 16_064_512]));
    }

    #[test]
    fn other_limits_stay_as_they_are() {
        for index in 0..3 {
            let mut limits = KNOWN;
            limits[index] += 8;
            let mut bytes = memory(limits);
            assert!(!allow(&mut bytes));
            assert_eq!(bytes, memory(limits));
        }
    }

    #[test]
    fn a_memory_that_ends_anywhere_is_left_alone() {
        let whole = memory(KNOWN);
        for end in (0..8192 + STACK_TOP + 12).step_by(4) {
            assert!(!allow(&mut whole[..end].to_vec()), "{end}");
        }
    }
}
