//! Reading and writing files of the world at positions.
//!
//! The guest's position is kept here and the broker is sent to it when it is elsewhere, so
//! that `pread` and `pwrite` move nothing.

use super::Call;
use super::ahead::Ahead;
use super::descriptors::{Descriptor, WorldFile};
use super::errno::{Done, Errno, Fault};
use super::memory::Iovec;
use crate::protocol::{Answer, HandleCall, HandleOperation, Operation, Whence};

/// Bytes of one read or write that the broker is asked for: as many as it reads at once, and
/// a fourth of the longest request.
const PIECE: u32 = 256 << 10;

/// How far a call has come. What has been done counts, also before an error.
struct Progress {
    at: Option<u64>,
    done: u32,
}

impl Progress {
    fn advance(&mut self, bytes: u32) {
        self.at = self.at.map(|at| at.saturating_add(u64::from(bytes)));
        self.done += bytes;
    }

    fn result(&self, result: Done) -> Done<u32> {
        match result {
            Err(Fault::Errno(_)) if self.done > 0 => Ok(self.done),
            other => other.map(|()| self.done),
        }
    }
}

fn length(bytes: &[u8]) -> Done<u32> {
    Ok(u32::try_from(bytes.len()).map_err(|_| Errno::Io)?)
}

/// The pieces of all parts, in their order.
fn pieces(parts: &[Iovec]) -> impl Iterator<Item = Iovec> {
    parts.iter().flat_map(|part| {
        (0..part.length)
            .step_by(PIECE as usize)
            .map(|from| Iovec { at: part.at + from, length: (part.length - from).min(PIECE) })
    })
}

impl Call<'_> {
    /// Reads at an offset, or where the guest is.
    pub(super) fn read_world(
        &mut self,
        number: u32,
        mut file: WorldFile,
        parts: &[Iovec],
        offset: Option<u64>,
    ) -> Done<u32> {
        if !file.can_read {
            return Err(Errno::Badf.into());
        }
        let at = match offset {
            Some(offset) => offset,
            None => self.position(&mut file)?,
        };
        let mut progress = Progress { at: Some(at), done: 0 };
        let result = if offset.is_some() {
            self.read_pieces(&mut file, parts, &mut progress)
        } else {
            self.read_on(number, &mut file, parts, &mut progress)
        };
        self.keep(number, file, offset, &progress);
        progress.result(result)
    }

    fn read_pieces(
        &mut self,
        file: &mut WorldFile,
        parts: &[Iovec],
        progress: &mut Progress,
    ) -> Done {
        for piece in pieces(parts) {
            let bytes = self.ask(file, progress.at, piece.length)?;
            self.memory.put(piece.at, &bytes)?;
            progress.advance(length(&bytes)?);
            // Files are short where they end.
            if length(&bytes)? < piece.length {
                break;
            }
        }
        Ok(())
    }

    /// Reads where the guest is, and ahead if it was there before.
    fn read_on(
        &mut self,
        number: u32,
        file: &mut WorldFile,
        parts: &[Iovec],
        progress: &mut Progress,
    ) -> Done {
        for piece in pieces(parts) {
            let known = self.put_known(number, piece, progress)?;
            if known > 0 {
                file.read_to = progress.at;
            }
            let left = Iovec { at: piece.at + known, length: piece.length - known };
            if left.length == 0 {
                continue;
            }
            let at = progress.at.unwrap_or(0);
            let max = Ahead::ask(left.length, at, file.read_to);
            let mut bytes = self.ask(file, Some(at), max)?;
            let more = bytes.split_off(bytes.len().min(left.length as usize));
            self.memory.put(left.at, &bytes)?;
            progress.advance(length(&bytes)?);
            file.read_to = progress.at;
            self.wasi.ahead.keep(number, progress.at.unwrap_or(0), more);
            if length(&bytes)? < left.length {
                break;
            }
        }
        Ok(())
    }

    /// Puts what was read before into a piece, and says how much that was.
    fn put_known(&mut self, number: u32, piece: Iovec, progress: &mut Progress) -> Done<u32> {
        let known = self.wasi.ahead.get(number, progress.at.unwrap_or(0));
        let known = &known[..known.len().min(piece.length as usize)];
        self.memory.put(piece.at, known)?;
        let known = length(known)?;
        progress.advance(known);
        Ok(known)
    }

    /// Asks the broker for bytes at a position.
    fn ask(&self, file: &mut WorldFile, at: Option<u64>, max: u32) -> Done<Vec<u8>> {
        self.go_to(file, at)?;
        let Answer::Bytes(bytes) = self.on(file, HandleCall::Read { max })? else {
            return Err(Errno::Io.into());
        };
        if length(&bytes)? > max {
            return Err(Errno::Io.into());
        }
        file.broker_at = at.map(|at| at.saturating_add(bytes.len() as u64));
        Ok(bytes.into_vec())
    }

    /// Writes at an offset, where the guest is, or at the end of a file that is appended to.
    pub(super) fn write_world(
        &mut self,
        number: u32,
        mut file: WorldFile,
        parts: &[Iovec],
        offset: Option<u64>,
    ) -> Done<u32> {
        if !file.can_write {
            return Err(Errno::Badf.into());
        }
        self.wasi.ahead.clear();
        let at = if file.appends && offset.is_none() {
            // Where that will be shows afterwards.
            None
        } else {
            let position = self.position(&mut file)?;
            if file.appends { None } else { Some(offset.unwrap_or(position)) }
        };
        let mut progress = Progress { at, done: 0 };
        let result = self.write_pieces(&mut file, parts, &mut progress);
        self.keep(number, file, offset, &progress);
        progress.result(result)
    }

    fn write_pieces(
        &mut self,
        file: &mut WorldFile,
        parts: &[Iovec],
        progress: &mut Progress,
    ) -> Done {
        for piece in pieces(parts) {
            if file.appends && !file.is_append {
                progress.at = Some(self.seek(file, 0, Whence::End)?);
            }
            self.go_to(file, progress.at)?;
            let data = self.memory.bytes(piece.at, piece.length)?.to_vec();
            // Unknown, if some of it is written and some is not.
            file.broker_at = None;
            self.on(file, HandleCall::Write { data: data.into() })?;
            progress.advance(piece.length);
            file.broker_at = progress.at;
        }
        Ok(())
    }

    /// Keeps where the guest and the broker are now.
    fn keep(&mut self, number: u32, mut file: WorldFile, offset: Option<u64>, now: &Progress) {
        if offset.is_none() && now.done > 0 {
            file.at = now.at;
        }
        self.store(number, file);
    }

    pub(super) fn store(&mut self, number: u32, file: WorldFile) {
        if let Ok(Descriptor::World(kept)) = self.wasi.descriptors.get(number) {
            *kept = file;
        }
    }

    /// Where the guest is.
    pub(super) fn position(&self, file: &mut WorldFile) -> Done<u64> {
        if let Some(at) = file.at {
            return Ok(at);
        }
        let at = self.seek(file, 0, Whence::Current)?;
        file.at = Some(at);
        Ok(at)
    }

    /// Sends the broker to a position.
    fn go_to(&self, file: &mut WorldFile, at: Option<u64>) -> Done {
        let Some(at) = at.filter(|_| file.broker_at != at) else { return Ok(()) };
        let offset = i64::try_from(at).map_err(|_| Errno::Inval)?;
        self.seek(file, offset, Whence::Start).map(drop)
    }

    pub(super) fn seek(&self, file: &mut WorldFile, offset: i64, whence: Whence) -> Done<u64> {
        let Answer::Count(at) = self.on(file, HandleCall::Seek { offset, whence })? else {
            return Err(Errno::Io.into());
        };
        file.broker_at = Some(at);
        Ok(at)
    }

    /// A call on an open file.
    pub(super) fn on(&self, file: &WorldFile, call: HandleCall) -> Done<Answer> {
        let handle = file.handle;
        self.answer(Operation::Handle(HandleOperation::InTurn { handle, call }))
    }

    /// Asks the broker.
    pub(super) fn answer(&self, operation: Operation) -> Done<Answer> {
        Ok(self.world.ask(operation)?.map_err(|failure| Errno::of(&failure))?)
    }
}
