//! The guest's memory. Every pointer and length is the guest's: nothing is read or
//! written before it was compared with what there is.

use std::ops::Range;

use super::errno::Errno;

/// Parts of one read or write (IOV_MAX of Linux, which wasi-libc has too).
const MAX_IOVECS: u32 = 1024;

/// Bytes of an entry of such a list: a pointer and a length.
const IOVEC_BYTES: u32 = 8;

/// Bytes of a path, PATH_MAX of Linux.
const MAX_PATH: u32 = 4096;

type Checked<T> = Result<T, Errno>;

/// Memory for the time of one call.
pub(super) struct Memory<'a>(&'a mut [u8]);

/// A part of a read or write, which lies inside of the memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Iovec {
    pub at: u32,
    pub length: u32,
}

impl<'a> Memory<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    fn range(&self, at: u32, length: u32) -> Checked<Range<usize>> {
        let start = at as usize;
        let end = start.checked_add(length as usize).ok_or(Errno::Fault)?;
        if end <= self.0.len() { Ok(start..end) } else { Err(Errno::Fault) }
    }

    /// Whether that is inside of it.
    pub(super) fn check(&self, at: u32, length: u32) -> Checked<()> {
        self.range(at, length).map(drop)
    }

    pub(super) fn bytes(&self, at: u32, length: u32) -> Checked<&[u8]> {
        let range = self.range(at, length)?;
        Ok(&self.0[range])
    }

    pub(super) fn bytes_mut(&mut self, at: u32, length: u32) -> Checked<&mut [u8]> {
        let range = self.range(at, length)?;
        Ok(&mut self.0[range])
    }

    fn array<const N: usize>(&self, at: u32) -> Checked<[u8; N]> {
        let length = u32::try_from(N).map_err(|_| Errno::Fault)?;
        self.bytes(at, length)?.try_into().map_err(|_| Errno::Fault)
    }

    pub(super) fn u8(&self, at: u32) -> Checked<u8> {
        self.array(at).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&self, at: u32) -> Checked<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self, at: u32) -> Checked<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&self, at: u32) -> Checked<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    pub(super) fn put(&mut self, at: u32, bytes: &[u8]) -> Checked<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::Fault)?;
        self.bytes_mut(at, length)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn put_u32(&mut self, at: u32, value: u32) -> Checked<()> {
        self.put(at, &value.to_le_bytes())
    }

    pub(super) fn put_u64(&mut self, at: u32, value: u64) -> Checked<()> {
        self.put(at, &value.to_le_bytes())
    }

    /// A path, or a link's target.
    pub(super) fn path(&self, at: u32, length: u32) -> Checked<String> {
        if length > MAX_PATH {
            return Err(Errno::Nametoolong);
        }
        let bytes = self.bytes(at, length)?;
        if bytes.contains(&0) {
            return Err(Errno::Inval);
        }
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Errno::Ilseq)
    }

    /// The parts of a read or write, each of them checked, and all together shorter than
    /// what a call can say that it has done.
    pub(super) fn iovecs(&self, at: u32, count: u32) -> Checked<Vec<Iovec>> {
        if count > MAX_IOVECS {
            return Err(Errno::Inval);
        }
        let list = self.bytes(at, count * IOVEC_BYTES)?;
        let mut total = 0_u32;
        let mut parts = Vec::with_capacity(count as usize);
        for entry in list.as_chunks::<{ IOVEC_BYTES as usize }>().0 {
            let [pointer, length] = entry.as_chunks().0 else { return Err(Errno::Fault) };
            let part =
                Iovec { at: u32::from_le_bytes(*pointer), length: u32::from_le_bytes(*length) };
            self.check(part.at, part.length)?;
            total = total.checked_add(part.length).ok_or(Errno::Inval)?;
            parts.push(part);
        }
        Ok(parts)
    }
}
