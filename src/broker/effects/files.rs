//! Operations on paths.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle as Tokio;
use tokio::task::AbortHandle;

use crate::broker::dispatch::Dispatch;
use crate::broker::event::{Responder, Room, no_memory};
use crate::broker::failure::Problem;
use crate::broker::files::Files;
use crate::broker::handles::Resource;
use crate::broker::run::Run;
use crate::broker::streams::{MAX_READ, Piece, Whole};
use crate::config::environment::MAX_MEMORY;
use crate::protocol::{Answer, Failure, FileOperation, OpenOptions};

pub(super) fn start(operation: FileOperation, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    // Taken here: `Deno.chdir` behind it in the frames may overtake it on its thread.
    let cwd = dispatch.run.cwd();
    dispatch.on_thread(answer_bytes(&operation), move |run, responder, room| {
        run.on_path(operation, &cwd, responder, room);
    })
}

/// Bytes that an answer may take beyond what its request was charged.
fn answer_bytes(operation: &FileOperation) -> usize {
    match operation {
        FileOperation::ReadFile { .. } => MAX_READ,
        FileOperation::Open { .. }
        | FileOperation::WriteFile { .. }
        | FileOperation::Stat { .. }
        | FileOperation::ReadDir { .. }
        | FileOperation::Mkdir { .. }
        | FileOperation::Remove { .. }
        | FileOperation::Rename { .. }
        | FileOperation::CopyFile { .. }
        | FileOperation::Link { .. }
        | FileOperation::Symlink { .. }
        | FileOperation::ReadLink { .. }
        | FileOperation::RealPath { .. }
        | FileOperation::Truncate { .. }
        | FileOperation::Chmod { .. }
        | FileOperation::Utime { .. }
        | FileOperation::MakeTemp { .. }
        | FileOperation::Chdir { .. } => 0,
    }
}

impl Run {
    pub(super) fn files<'a>(&'a self, cwd: &'a Path) -> Files<'a> {
        Files {
            policy: &self.services().policy,
            cwd,
            workspace: &self.services().workspace,
            quota: &self.quota,
        }
    }

    /// Blocks.
    fn on_path(
        self: Arc<Self>,
        operation: FileOperation,
        cwd: &Path,
        responder: Responder,
        room: Room,
    ) {
        if self.quota.is_over() {
            return responder.answer(Err(Failure::interrupted().into()), room);
        }
        let files = self.files(cwd);
        let result = match operation {
            FileOperation::Open { path, options } => self.open(&files, path, options),
            FileOperation::ReadFile { path } => return self.read_file(path, cwd, responder, room),
            FileOperation::WriteFile { path, data, options } => {
                files.write_file(&path, &data, options)
            }
            FileOperation::Stat { path, follow } => files.stat(&path, follow),
            FileOperation::ReadDir { path } => files.read_dir(&path),
            FileOperation::Mkdir { path, recursive, mode } => files.mkdir(&path, recursive, mode),
            FileOperation::Remove { path, recursive } => files.remove(&path, recursive),
            FileOperation::Rename { from, to } => files.rename(&from, &to),
            FileOperation::CopyFile { from, to } => files.copy_file(&from, &to),
            FileOperation::Link { from, to } => files.link(&from, &to),
            FileOperation::Symlink { target, path } => files.symlink(&target, &path),
            FileOperation::ReadLink { path } => files.read_link(&path),
            FileOperation::RealPath { path } => files.real_path(&path),
            FileOperation::Truncate { path, length } => files.truncate(&path, length),
            FileOperation::Chmod { path, mode } => files.chmod(&path, mode),
            FileOperation::Utime { path, accessed, modified } => {
                files.utime(&path, (accessed, modified))
            }
            FileOperation::MakeTemp { directory, parent, prefix, suffix } => files.make_temp(
                directory,
                parent.as_deref(),
                prefix.as_deref().unwrap_or_default(),
                suffix.as_deref().unwrap_or_default(),
            ),
            FileOperation::Chdir { path } => self.change_directory(&files, &path),
        };
        responder.answer(result, room);
    }

    fn open(
        &self,
        files: &Files<'_>,
        path: String,
        options: OpenOptions,
    ) -> Result<Answer, Problem> {
        let call = if options.whole { "writefile" } else { "open" };
        let file = files.open(&path, options, call)?;
        let whole = options.whole.then_some(path);
        Ok(Answer::Handle(self.handles.add(Resource::File { file, whole })?))
    }

    fn change_directory(&self, files: &Files<'_>, path: &str) -> Result<Answer, Problem> {
        self.set_cwd(files.directory(path)?);
        Ok(Answer::Done)
    }

    /// Sends a whole file in pieces. Blocks for the first, which is all of a small file.
    pub(super) fn read_file(
        self: Arc<Self>,
        path: String,
        cwd: &Path,
        responder: Responder,
        room: Room,
    ) {
        let mut whole = match self.open_whole(path, cwd) {
            Ok(whole) => whole,
            Err(problem) => return responder.answer(Err(problem), room),
        };
        match whole.piece() {
            Ok(Piece { bytes, is_last: true }) => {
                responder.answer(Ok(Answer::Bytes(bytes.into())), room);
            }
            Ok(piece) => {
                let (meter, session) = (self.meter.clone(), self.events());
                let sent = meter.of(self.send_pieces(whole, piece, responder, room));
                Tokio::current().spawn(async move {
                    tokio::select! {
                        () = sent => {}
                        // The run has ended.
                        () = session.closed() => {}
                    }
                });
            }
            Err(error) => responder.answer(Err(whole.problem(error)), room),
        }
    }

    fn open_whole(&self, path: String, cwd: &Path) -> Result<Whole, Problem> {
        let (file, size) = self.files(cwd).open_whole(&path)?;
        if size > self.services().max_memory {
            return Err(self.too_large(&path, size));
        }
        Ok(Whole::new(file, path, size))
    }

    fn too_large(&self, path: &str, size: u64) -> Problem {
        Failure::new(
            "RangeError",
            format!(
                "The file has {size} bytes, more than the run's memory: {} MiB ({MAX_MEMORY}). \
                 Read it in pieces, with Deno.open: readfile '{path}'",
                self.services().max_memory >> 20
            ),
        )
        .into()
    }

    /// Sends the piece, and reads the next one when there is room for it; meanwhile the thread is
    /// free for others.
    async fn send_pieces(
        self: Arc<Self>,
        mut whole: Whole,
        mut piece: Piece,
        responder: Responder,
        room: Room,
    ) {
        let result = loop {
            if piece.is_last {
                break Ok(Answer::Bytes(piece.bytes.into()));
            }
            if whole.read() > self.services().max_memory {
                // It grows as fast as it is read.
                break Err(whole.problem(io::Error::other("The file grew while it was read")));
            }
            let next = match self.piece_room().await {
                Ok(room) => room,
                Err(problem) => break Err(problem),
            };
            if !responder.data(piece.bytes, whole.left(), next) {
                return;
            }
            let read = self.on_thread(move || (whole.piece(), whole)).await;
            (piece, whole) = match read {
                Some((Ok(piece), whole)) => (piece, whole),
                Some((Err(error), whole)) => break Err(whole.problem(error)),
                None => break Err(Failure::interrupted().into()),
            };
        };
        responder.answer(result, room);
    }

    /// Room for one more piece on its way to the worker.
    async fn piece_room(&self) -> Result<Room, Problem> {
        let place = self.room().await.ok_or_else(Failure::interrupted)?;
        let charge = self.account().charge(MAX_READ).await.map_err(no_memory)?;
        Ok(Room::new(place, charge))
    }
}
