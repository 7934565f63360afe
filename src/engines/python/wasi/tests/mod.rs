//! WASI over a vector as memory, and a world in memory.

mod files;
mod hostile;
mod paths;
mod system;
mod world;

use std::rc::Rc;

use super::errno::Errno;
use super::{Arguments, Import, Wasi};
use crate::engines::python::image::Image;
use crate::engines::python::world::End;
use world::Fake;

/// Bytes of the guest's memory: one page of Wasm.
const MEMORY: u32 = 65_536;

/// Where tests put things.
const NAME: u32 = 1024;
const OTHER_NAME: u32 = 2048;
const IOVECS: u32 = 4096;
const RESULT: u32 = 512;
const BUFFER: u32 = 8192;

/// Rights to read, and to write.
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 6;

/// `oflags`.
const CREATE: u64 = 1;
const DIRECTORY: u64 = 2;
const EXCLUSIVE: u64 = 4;
const TRUNCATE: u64 = 8;

/// The preopened `/`.
const SLASH: u64 = 4;

struct Guest {
    wasi: Wasi,
    memory: Vec<u8>,
    world: Fake,
}

impl Guest {
    fn new(files: &[(&str, &str)]) -> Self {
        let image = Image::of(&[
            ("python315.zip", b"PK"),
            ("python315.zip/matplotlib/mpl-data/m.txt", b"data"),
        ]);
        let mut wasi = Wasi::new(Rc::new(image), &[("TMPDIR", "/tmp"), ("A", "b")]);
        wasi.set_workspace("/srv/ws");
        Self { wasi, memory: vec![0; MEMORY as usize], world: Fake::with(files) }
    }

    fn end(&mut self, import: Import, given: &[u64]) -> Result<u32, End> {
        let mut arguments = Arguments::default();
        arguments[..given.len()].copy_from_slice(given);
        assert_eq!(given.len(), import.parameters().len(), "{}", import.name());
        self.wasi.call(&mut self.memory, import, &arguments, &self.world)
    }

    fn call(&mut self, import: Import, given: &[u64]) -> u32 {
        self.end(import, given).expect("the run goes on")
    }

    fn fails(&mut self, import: Import, given: &[u64], errno: Errno) {
        assert_eq!(self.call(import, given), errno as u32, "{} {given:?}", import.name());
    }

    fn succeeds(&mut self, import: Import, given: &[u64]) {
        assert_eq!(self.call(import, given), 0, "{} {given:?}", import.name());
    }

    fn put(&mut self, at: u32, bytes: &[u8]) {
        self.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    fn name(&mut self, at: u32, name: &str) -> (u64, u64) {
        self.put(at, name.as_bytes());
        (at.into(), name.len() as u64)
    }

    fn iovecs(&mut self, parts: &[(u32, u32)]) -> (u64, u64) {
        let bytes: Vec<u8> = parts
            .iter()
            .flat_map(|(at, length)| [at.to_le_bytes(), length.to_le_bytes()].concat())
            .collect();
        self.put(IOVECS, &bytes);
        (IOVECS.into(), parts.len() as u64)
    }

    fn u32(&self, at: u32) -> u32 {
        let at = at as usize;
        u32::from_le_bytes(self.memory[at..at + 4].try_into().expect("four bytes"))
    }

    fn u64(&self, at: u32) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }

    fn bytes(&self, at: u32, length: u32) -> &[u8] {
        &self.memory[at as usize..(at + length) as usize]
    }

    fn path_open(
        &mut self,
        name: &str,
        oflags: u64,
        rights: u64,
        fdflags: u64,
    ) -> Result<u64, u32> {
        let (at, length) = self.name(NAME, name);
        let given = [SLASH, 1, at, length, oflags, rights, 0, fdflags, RESULT.into()];
        match self.call(Import::PathOpen, &given) {
            0 => Ok(self.u32(RESULT).into()),
            errno => Err(errno),
        }
    }

    fn open(&mut self, name: &str, oflags: u64, rights: u64) -> u64 {
        self.path_open(name, oflags, rights, 0).expect("it opens")
    }

    fn read(&mut self, fd: u64, length: u32) -> String {
        let (at, count) = self.iovecs(&[(BUFFER, length)]);
        self.succeeds(Import::FdRead, &[fd, at, count, RESULT.into()]);
        let read = self.u32(RESULT);
        String::from_utf8(self.bytes(BUFFER, read).to_vec()).expect("UTF-8")
    }

    fn pread(&mut self, fd: u64, length: u32, offset: u64) -> String {
        let (at, count) = self.iovecs(&[(BUFFER, length)]);
        self.succeeds(Import::FdPread, &[fd, at, count, offset, RESULT.into()]);
        let read = self.u32(RESULT);
        String::from_utf8(self.bytes(BUFFER, read).to_vec()).expect("UTF-8")
    }

    fn write(&mut self, fd: u64, text: &str) {
        self.put(BUFFER, text.as_bytes());
        let (at, count) = self.iovecs(&[(BUFFER, text.len() as u32)]);
        self.succeeds(Import::FdWrite, &[fd, at, count, RESULT.into()]);
        assert_eq!(self.u32(RESULT) as usize, text.len());
    }

    fn pwrite(&mut self, fd: u64, text: &str, offset: u64) {
        self.put(BUFFER, text.as_bytes());
        let (at, count) = self.iovecs(&[(BUFFER, text.len() as u32)]);
        self.succeeds(Import::FdPwrite, &[fd, at, count, offset, RESULT.into()]);
    }

    fn seek(&mut self, fd: u64, offset: i64, whence: u64) -> u64 {
        self.succeeds(Import::FdSeek, &[fd, offset.cast_unsigned(), whence, RESULT.into()]);
        self.u64(RESULT)
    }

    /// A call whose arguments are a descriptor and a name behind it.
    fn at(&mut self, import: Import, name: &str) -> u32 {
        let (at, length) = self.name(NAME, name);
        self.call(import, &[SLASH, at, length])
    }

    /// The type of what a path names.
    fn stat(&mut self, name: &str) -> Result<u8, u32> {
        let (at, length) = self.name(NAME, name);
        match self.call(Import::PathFilestatGet, &[SLASH, 1, at, length, BUFFER.into()]) {
            0 => Ok(self.memory[BUFFER as usize + 16]),
            errno => Err(errno),
        }
    }
}
