//! Calls on what is open: reading, writing, positions, and its end.

use super::Call;
use super::descriptors::{Descriptor, ImageFile, WorldFile};
use super::errno::{Done, Errno};
use super::memory::Iovec;
use crate::protocol::{HandleCall, Operation, Stream, Whence};

/// What a call is about, without the table that it is in.
pub(super) enum Open {
    Stdin,
    Output(Stream),
    Directory(String),
    Image(&'static [u8]),
    World(WorldFile),
}

impl Call<'_> {
    fn open_at(&mut self, number: u32, offset: Option<u64>) -> Done<Open> {
        Ok(match self.wasi.descriptors.get(number)? {
            Descriptor::Stdin => Open::Stdin,
            Descriptor::Output(stream) => Open::Output(*stream),
            Descriptor::Directory(directory) => Open::Directory(directory.path.clone()),
            Descriptor::Image(file) => Open::Image(file.from(offset.unwrap_or(file.at))),
            Descriptor::World(file) => Open::World(*file),
        })
    }

    pub(super) fn open(&mut self, number: u32) -> Done<Open> {
        self.open_at(number, None)
    }

    pub(super) fn fd_read(&mut self) -> Done {
        self.read(None, self.word(3))
    }

    pub(super) fn fd_pread(&mut self) -> Done {
        self.read(Some(self.long(3)), self.word(4))
    }

    fn read(&mut self, offset: Option<u64>, result: u32) -> Done {
        let number = self.word(0);
        let parts = self.memory.iovecs(self.word(1), self.word(2))?;
        self.memory.check(result, 4)?;
        let read = match self.open_at(number, offset)? {
            Open::Stdin => 0,
            Open::Output(_) => return Err(Errno::Badf.into()),
            Open::Directory(_) => return Err(Errno::Isdir.into()),
            Open::Image(bytes) => self.read_image(number, bytes, &parts, offset)?,
            Open::World(file) => self.read_world(number, file, &parts, offset)?,
        };
        Ok(self.memory.put_u32(result, read)?)
    }

    fn read_image(
        &mut self,
        number: u32,
        bytes: &[u8],
        parts: &[Iovec],
        offset: Option<u64>,
    ) -> Done<u32> {
        let mut read = 0;
        for part in parts {
            let rest = &bytes[read as usize..];
            let length = part.length.min(u32::try_from(rest.len()).unwrap_or(u32::MAX));
            self.memory.put(part.at, &rest[..length as usize])?;
            read += length;
        }
        if offset.is_none()
            && let Descriptor::Image(ImageFile { at, .. }) = self.wasi.descriptors.get(number)?
        {
            *at = at.saturating_add(u64::from(read));
        }
        Ok(read)
    }

    pub(super) fn fd_write(&mut self) -> Done {
        self.write(None, self.word(3))
    }

    pub(super) fn fd_pwrite(&mut self) -> Done {
        self.write(Some(self.long(3)), self.word(4))
    }

    fn write(&mut self, offset: Option<u64>, result: u32) -> Done {
        let number = self.word(0);
        let parts = self.memory.iovecs(self.word(1), self.word(2))?;
        self.memory.check(result, 4)?;
        let written = match self.open(number)? {
            Open::Stdin | Open::Image(_) | Open::Directory(_) => return Err(Errno::Badf.into()),
            Open::Output(_) if offset.is_some() => return Err(Errno::Spipe.into()),
            Open::Output(stream) => self.print(stream, &parts)?,
            Open::World(file) => self.write_world(number, file, &parts, offset)?,
        };
        Ok(self.memory.put_u32(result, written)?)
    }

    fn print(&self, stream: Stream, parts: &[Iovec]) -> Done<u32> {
        let mut written = 0;
        for part in parts {
            let bytes = self.memory.bytes(part.at, part.length)?;
            if !bytes.is_empty() {
                self.world.print(stream, bytes)?;
            }
            written += part.length;
        }
        Ok(written)
    }

    pub(super) fn fd_seek(&mut self) -> Done {
        // The bits are those of a number with a sign.
        let offset = self.long(1).cast_signed();
        let whence = match self.word(2) {
            0 => Whence::Start,
            1 => Whence::Current,
            2 => Whence::End,
            _ => return Err(Errno::Inval.into()),
        };
        self.seek_to(offset, whence, self.word(3))
    }

    pub(super) fn fd_tell(&mut self) -> Done {
        self.seek_to(0, Whence::Current, self.word(1))
    }

    fn seek_to(&mut self, offset: i64, whence: Whence, result: u32) -> Done {
        let number = self.word(0);
        self.memory.check(result, 8)?;
        let at = match self.open(number)? {
            Open::Stdin | Open::Output(_) => return Err(Errno::Spipe.into()),
            Open::Directory(_) => return Err(Errno::Badf.into()),
            Open::Image(_) => self.seek_image(number, offset, whence)?,
            Open::World(mut file) => {
                let at = self.seek_world(&mut file, offset, whence)?;
                file.at = Some(at);
                self.store(number, file);
                at
            }
        };
        Ok(self.memory.put_u64(result, at)?)
    }

    fn seek_image(&mut self, number: u32, offset: i64, whence: Whence) -> Done<u64> {
        let Descriptor::Image(file) = self.wasi.descriptors.get(number)? else {
            return Err(Errno::Badf.into());
        };
        let base = match whence {
            Whence::Start => 0,
            Whence::Current => file.at,
            Whence::End => file.bytes.len() as u64,
        };
        file.at = moved(base, offset)?;
        Ok(file.at)
    }

    /// The broker is asked only for what it alone knows: where the end is.
    fn seek_world(&self, file: &mut WorldFile, offset: i64, whence: Whence) -> Done<u64> {
        match whence {
            Whence::Start => moved(0, offset),
            Whence::Current => moved(self.position(file)?, offset),
            Whence::End => self.seek(file, offset, Whence::End),
        }
    }

    pub(super) fn fd_advise(&mut self) -> Done {
        let number = self.word(0);
        self.wasi.descriptors.get(number).map(drop)
    }

    pub(super) fn fd_close(&mut self) -> Done {
        let number = self.word(0);
        match self.wasi.descriptors.remove(number)? {
            Descriptor::World(file) => self.answer(Operation::close(file.handle)).map(drop),
            Descriptor::Stdin
            | Descriptor::Output(_)
            | Descriptor::Directory(_)
            | Descriptor::Image(_) => Ok(()),
        }
    }

    /// `fd_sync` and `fd_datasync`.
    pub(super) fn sync(&mut self, data_only: bool) -> Done {
        let number = self.word(0);
        match self.open(number)? {
            Open::World(file) => self.on(&file, HandleCall::Sync { data_only }).map(drop),
            // sqlite asks for it of the directory that its journal is in.
            Open::Directory(_) | Open::Image(_) => Ok(()),
            Open::Stdin | Open::Output(_) => Err(Errno::Inval.into()),
        }
    }
}

/// A position that moves by an offset.
fn moved(base: u64, offset: i64) -> Done<u64> {
    let at = base.checked_add_signed(offset).filter(|at| i64::try_from(*at).is_ok());
    at.ok_or(Errno::Inval.into())
}
