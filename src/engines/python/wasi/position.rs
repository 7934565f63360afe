//! Reading and writing files of the world at positions.
//!
//! The guest's position is kept here and the broker is sent to it when it is elsewhere, so
//! that `pread` and `pwrite` move nothing.

use super::Call;
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
        let position = self.position(&mut file)?;
        let mut progress = Progress { at: Some(offset.unwrap_or(position)), done: 0 };
        let result = self.read_pieces(&mut file, parts, &mut progress);
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
            self.go_to(file, progress.at)?;
            let call = HandleCall::Read { max: piece.length };
            let Answer::Bytes(bytes) = self.on(file, call)? else {
                return Err(Errno::Io.into());
            };
            let read = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            if read > piece.length {
                return Err(Errno::Io.into());
            }
            self.memory.put(piece.at, &bytes)?;
            progress.advance(read);
            file.broker_at = progress.at;
            // Files are short where they end.
            if read < piece.length {
                break;
            }
        }
        Ok(())
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
