//! Arguments, variables, randomness.

use super::errno::{Done, Errno};
use super::{ARGUMENTS, Call};
use crate::sandbox::sys;

/// getrandom(2) answers requests of this size whole.
const RANDOM_CHUNK: usize = 256;

/// Random bytes between two looks at whether the run goes on.
const RANDOM_BETWEEN: usize = 1 << 20;

impl Call<'_> {
    pub(super) fn args_sizes_get(&mut self) -> Done {
        self.sizes(ARGUMENTS.iter().map(|text| text.len()).collect())
    }

    pub(super) fn args_get(&mut self) -> Done {
        self.list(ARGUMENTS.iter().map(|text| (*text).to_owned()).collect())
    }

    pub(super) fn environ_sizes_get(&mut self) -> Done {
        self.sizes(self.wasi.environment.iter().map(String::len).collect())
    }

    pub(super) fn environ_get(&mut self) -> Done {
        self.list(self.wasi.environment.clone())
    }

    /// How many texts there are, and how many bytes with a zero behind each.
    fn sizes(&mut self, lengths: Vec<usize>) -> Done {
        let bytes: usize = lengths.iter().map(|length| length + 1).sum();
        let number = |count: usize| u32::try_from(count).map_err(|_| Errno::Overflow);
        self.memory.put_u32(self.word(0), number(lengths.len())?)?;
        Ok(self.memory.put_u32(self.word(1), number(bytes)?)?)
    }

    /// The texts, and pointers to them.
    fn list(&mut self, texts: Vec<String>) -> Done {
        let (mut pointer, mut at) = (self.word(0), self.word(1));
        for text in texts {
            self.memory.put_u32(pointer, at)?;
            self.memory.put(at, &[text.as_bytes(), b"\0"].concat())?;
            pointer = pointer.checked_add(4).ok_or(Errno::Fault)?;
            let length = u32::try_from(text.len() + 1).map_err(|_| Errno::Fault)?;
            at = at.checked_add(length).ok_or(Errno::Fault)?;
        }
        Ok(())
    }

    pub(super) fn random_get(&mut self) -> Done {
        let bytes = self.memory.bytes_mut(self.word(0), self.word(1))?;
        for part in bytes.chunks_mut(RANDOM_BETWEEN) {
            self.world.check()?;
            for chunk in part.chunks_mut(RANDOM_CHUNK) {
                sys::random(chunk).map_err(|_| Errno::Io)?;
            }
        }
        Ok(())
    }
}
