//! The state of one run, and what each operation does.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::runtime::Handle as Tokio;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet, unconstrained};

use super::Services;
use super::crowd::Crowd;
use super::environment::{Environment, check};
use super::failure::Problem;
use super::fetch::Fetcher;
use super::files::Files;
use super::handles::{Handles, MAX_READ, Resource, Turn, is_file, on_file, on_stream};
use super::meter::Meter;
use super::network::UPLOAD_PIECE;
use super::quota::Quota;
use super::refusals::Refusals;
use super::reply::{Event, Responder, Room, no_memory};
use super::tools::{ForWhom, Tools};
use crate::config::environment::MAX_MEMORY;
use crate::memory::{Account, Charge};
use crate::protocol::{Answer, Failure, Operation};
use crate::threads;

/// Bytes of requests that may wait in the server for one run; a worker that sends
/// more is not read until some are done. One whole-file write in pieces has less.
pub(crate) const MAX_WAITING_BYTES: usize = 8 << 20;

/// Bytes that the server keeps for one run at most: requests, answers, output and its
/// value, with the windows of what is decompressed. Eight large answers at the same
/// time (8 MiB is the default limit of a tool's result); a quarter of what a principal
/// has, so that one run leaves room for others.
const RUN_BYTES: usize = 64 << 20;

/// File operations of one run at the same time, their answers included until they are
/// taken: enough to keep a disk busy.
const FILE_OPERATIONS: usize = 16;

const TOO_MANY_PARTS: &str = "Too many arguments, variables or headers: 4096 of each are accepted";

/// Commands of one run that are being started, or run to their end for
/// `outputSync`, at the same time.
const COMMANDS: usize = 4;

/// Pieces of whole files on their way to one worker, [`MAX_READ`] bytes each.
const PIECES: usize = 8;

/// Smallest buffer for a piece of a file: some file systems report a size of 0.
const MIN_PIECE: usize = 4096;

/// Bytes that an answer may take beyond what its request was charged.
fn answer_of(operation: &Operation) -> usize {
    match operation {
        Operation::ReadFile { .. } => MAX_READ,
        Operation::Read { max, .. } => (*max as usize).min(MAX_READ),
        _ => 0,
    }
}

/// The account of one run, below its principal's.
/// `largest` is what the largest output, value and result of a tool take as texts, of
/// which there are up to four at the same time.
pub(crate) fn run_account(principal: &Account, largest: usize) -> Account {
    principal.share(RUN_BYTES.max(largest.saturating_mul(4)))
}

pub(super) struct Run {
    services: Arc<Services>,
    pub(super) account: Account,
    /// What the server does for the run.
    pub(super) meter: Meter,
    cwd: Mutex<PathBuf>,
    pub(super) quota: Arc<Quota>,
    pub(super) handles: Handles,
    pub(super) environment: Environment,
    pub(super) fetcher: Fetcher,
    events: mpsc::UnboundedSender<Event>,
    pub(super) refusals: Arc<Refusals>,
    /// Bytes of answers that the session has yet to take.
    pub(super) queued: Arc<AtomicUsize>,
    pub(super) file_operations: Arc<Semaphore>,
    pub(super) commands: Arc<Semaphore>,
    pub(super) crowd: Arc<Crowd>,
    pieces: Arc<Semaphore>,
    pub(super) tools: Tools,
}

impl Run {
    pub(super) fn new(
        services: Arc<Services>,
        account: Account,
        execution: u64,
        for_whom: ForWhom,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        let quota = Arc::new(Quota::new(services.file_limits));
        Self {
            cwd: Mutex::new(services.workspace.clone()),
            handles: Handles::new(quota.clone()),
            environment: Environment::default(),
            fetcher: Fetcher::new(
                services.policy.clone(),
                services.credentials.clone(),
                services.fetch_limits,
                services.threads.clone(),
                account.clone(),
            ),
            refusals: Arc::new(Refusals::new(
                services.audit.clone(),
                services.metrics.clone(),
                services.memory.clone(),
                execution,
            )),
            tools: Tools::new(for_whom, services.max_tool_calls),
            crowd: Crowd::of(&services.owner),
            services,
            account,
            meter: Meter::default(),
            quota,
            events,
            queued: Arc::default(),
            file_operations: Arc::new(Semaphore::new(FILE_OPERATIONS)),
            commands: Arc::new(Semaphore::new(COMMANDS)),
            pieces: Arc::new(Semaphore::new(PIECES)),
        }
    }

    pub(super) fn services(&self) -> &Services {
        &self.services
    }

    pub(super) fn events(&self) -> mpsc::UnboundedSender<Event> {
        self.events.clone()
    }

    /// Room for one more piece of data on its way to the session.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.pieces.clone().acquire_owned().await.ok()
    }

    /// Whether more data could be on its way to the session.
    #[cfg(test)]
    pub(super) fn room_is_left(&self) -> bool {
        self.pieces.available_permits() > 0
    }

    /// The room itself, for tasks that are not to keep the run.
    pub(super) fn pieces(&self) -> Arc<Semaphore> {
        self.pieces.clone()
    }

    /// Where relative paths start.
    pub(super) fn cwd(&self) -> PathBuf {
        self.lock_cwd().clone()
    }

    fn lock_cwd(&self) -> MutexGuard<'_, PathBuf> {
        self.cwd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run is over: what waits is dropped, what was started ends.
    pub(super) fn end(&self) {
        self.quota.end();
        self.file_operations.close();
        self.pieces.close();
        self.commands.close();
        self.tools.end();
        self.handles.close_all();
    }

    /// Starts one operation. What cannot block is done at once, without a task.
    pub(super) fn start(
        self: Arc<Self>,
        operation: Operation,
        responder: Responder,
        tasks: &mut JoinSet<()>,
    ) -> Option<AbortHandle> {
        use Operation as Op;
        if operation.has_too_many_parts() {
            let problem = Failure::type_error(TOO_MANY_PARTS).into();
            responder.answer(Err(problem), Room::default());
            return None;
        }
        let meter = self.meter.clone();
        match operation {
            Op::EnvGet { .. }
            | Op::EnvSet { .. }
            | Op::EnvDelete { .. }
            | Op::EnvAll
            | Op::Close { .. }
            | Op::Kill { .. } => {
                responder.answer(self.at_once(operation), Room::default());
                None
            }
            Op::Read { handle, .. }
            | Op::Write { handle, .. }
            | Op::Seek { handle, .. }
            | Op::FileStat { handle }
            | Op::FileTruncate { handle, .. }
            | Op::FileUtime { handle, .. }
            | Op::FileSync { handle, .. } => match self.handles.get(handle) {
                Ok(resource) => {
                    // Polled once here, so that turns are taken in the order of
                    // the requests whichever task runs first (tokio's Mutex is fair).
                    // Unconstrained: a task that has used its budget up would not
                    // even get in line.
                    let mut turn = Box::pin(unconstrained(resource.lock_owned()));
                    let ready = futures::FutureExt::now_or_never(std::future::poll_fn(|context| {
                        Poll::Ready(match turn.as_mut().poll(context) {
                            Poll::Ready(turn) => Some(turn),
                            Poll::Pending => None,
                        })
                    }));
                    match ready.flatten() {
                        Some(turn) if is_file(&turn) => {
                            self.file_turn(turn, operation, responder, tasks)
                        }
                        Some(turn) => Some(tasks.spawn(meter.of(async move {
                            self.stream_turn(turn, operation, responder).await;
                        }))),
                        None => Some(tasks.spawn(meter.of(async move {
                            let turn = turn.await;
                            self.late_turn(turn, operation, responder).await;
                        }))),
                    }
                }
                Err(failure) => {
                    responder.answer(Err(failure.into()), Room::default());
                    None
                }
            },
            // Taken here: a worker that was told that the body is no longer wanted
            // closes it next, and is to learn why all the same.
            Op::FetchResponse { handle } => match self.handles.take_response(handle) {
                Ok(response) => Some(tasks.spawn(meter.of(async move {
                    responder.answer(self.fetch_response(response).await, Room::default());
                }))),
                Err(failure) => {
                    responder.answer(Err(failure.into()), Room::default());
                    None
                }
            },
            Op::Fetch { .. } | Op::Spawn(_) | Op::Wait { .. } => {
                Some(tasks.spawn(meter.of(async move {
                    let result = self.in_time(operation).await;
                    responder.answer(result, Room::default());
                })))
            }
            Op::CallTool { .. }
            | Op::AskServer { .. }
            | Op::Servers
            | Op::DescribeServers
            | Op::SearchTools { .. }
            | Op::ToolSchema { .. }
            | Op::Module { .. } => Some(tasks.spawn(meter.of(async move {
                // One after the other beyond the limit; the answer counts until the
                // session has taken it.
                let Some(turn) = self.tools.turn().await else { return };
                let (mut before, trace_parent) = (Charge::none(), responder.trace_parent());
                let result = self.upstream(operation, trace_parent, &mut before).await;
                responder.answer(result, Room::from(turn).after(before));
            }))),
            Op::Output(options) => Some(tasks.spawn(meter.of(async move {
                let Ok(turn) = self.commands.clone().acquire_owned().await else { return };
                let mut before = Charge::none();
                let result = self.output(*options, &mut before).await;
                // What it printed is kept until the session takes it.
                responder.answer(result, Room::from(turn).after(before));
            }))),
            Op::Open { .. }
            | Op::ReadFile { .. }
            | Op::WriteFile { .. }
            | Op::Stat { .. }
            | Op::ReadDir { .. }
            | Op::Mkdir { .. }
            | Op::Remove { .. }
            | Op::Rename { .. }
            | Op::CopyFile { .. }
            | Op::Link { .. }
            | Op::Symlink { .. }
            | Op::ReadLink { .. }
            | Op::RealPath { .. }
            | Op::Truncate { .. }
            | Op::Chmod { .. }
            | Op::Utime { .. }
            | Op::MakeTemp { .. }
            | Op::Query { .. }
            | Op::Chdir { .. } => self.file_operation(operation, responder, tasks),
        }
    }

    /// Operations on tables in memory.
    fn at_once(&self, operation: Operation) -> Result<Answer, Problem> {
        let policy = &self.services.policy;
        let environment = &self.environment;
        Ok(match operation {
            Operation::EnvGet { name } => {
                check(&name)?;
                let variable = policy.variable(&name)?;
                Answer::MaybeText(environment.get(&variable, &self.services.environment))
            }
            Operation::EnvSet { name, value } => {
                check(&name)?;
                environment.set(&policy.variable(&name)?, value)?;
                Answer::Done
            }
            Operation::EnvDelete { name } => {
                check(&name)?;
                environment.delete(&policy.variable(&name)?)?;
                Answer::Done
            }
            Operation::EnvAll => {
                policy.environment()?;
                Answer::Variables(environment.all(policy, &self.services.environment))
            }
            Operation::Close { handle } => {
                self.handles.close(handle)?;
                Answer::Done
            }
            Operation::Kill { handle, signal } => {
                self.handles.process(handle)?.process.kill(&signal)?;
                Answer::Done
            }
            _ => return Err(super::interrupted().into()),
        })
    }

    /// Operations that wait without blocking a thread.
    async fn in_time(self: &Arc<Self>, operation: Operation) -> Result<Answer, Problem> {
        match operation {
            Operation::Fetch { method, url, headers, body } => {
                self.fetch(&method, &url, headers, body).await
            }
            Operation::Spawn(options) => self.spawn(*options).await,
            Operation::Wait { handle } => {
                let process = self.handles.process(handle)?;
                Ok(Answer::Exit(process.wait().await?))
            }
            _ => Err(super::interrupted().into()),
        }
    }

    /// Does something on a thread that may block, at once if there is all that it takes:
    /// a place among the run's, `answer` bytes of memory, and then a thread.
    fn blocking(
        self: Arc<Self>,
        answer: usize,
        responder: Responder,
        tasks: &mut JoinSet<()>,
        work: impl FnOnce(Arc<Self>, Responder, Room) + Send + 'static,
    ) -> Option<AbortHandle> {
        let Some((room, turn)) = self.room_now(answer) else {
            let meter = self.meter.clone();
            return Some(tasks.spawn(meter.of(self.blocking_later(answer, responder, work))));
        };
        Some(tasks.spawn_blocking(move || {
            let _turn = turn;
            self.meter.clone().counts(|| work(self, responder, room));
        }))
    }

    async fn blocking_later(
        self: Arc<Self>,
        answer: usize,
        responder: Responder,
        work: impl FnOnce(Arc<Self>, Responder, Room) + Send + 'static,
    ) {
        let room = match self.room_for(answer).await {
            Ok(room) => room,
            Err(problem) => return responder.answer(Err(problem), Room::default()),
        };
        let run = self.clone();
        self.on_thread(move || work(run, responder, room)).await;
    }

    fn room_now(&self, answer: usize) -> Option<(Room, threads::Turn)> {
        let place = self.file_operations.clone().try_acquire_owned().ok()?;
        let charge = self.account.try_charge(answer).ok()?;
        let turn = self.services.threads.try_work()?;
        Some((Room::new(place, charge), turn))
    }

    async fn room_for(&self, answer: usize) -> Result<Room, Problem> {
        let place = self.file_operations.clone().acquire_owned().await;
        let place = place.map_err(|_| super::interrupted())?;
        let charge = self.account.charge(answer).await.map_err(no_memory)?;
        Ok(Room::new(place, charge))
    }

    fn file_turn(
        self: Arc<Self>,
        turn: Turn,
        operation: Operation,
        responder: Responder,
        tasks: &mut JoinSet<()>,
    ) -> Option<AbortHandle> {
        self.blocking(answer_of(&operation), responder, tasks, move |run, responder, room| {
            responder.answer(on_file(turn, operation, &run), room);
        })
    }

    async fn stream_turn(self: Arc<Self>, turn: Turn, operation: Operation, responder: Responder) {
        if let (Resource::Upload(_), Operation::Write { data, .. }) = (&*turn, &operation)
            && data.len() > UPLOAD_PIECE
        {
            let problem = Failure::type_error("A piece of a request's body has at most 64 KiB");
            return responder.answer(Err(problem.into()), Room::default());
        }
        let result = on_stream(turn, operation).await;
        let room = if result.is_ok() { self.room().await } else { None };
        responder.answer(result, room.map(Room::from).unwrap_or_default());
    }

    async fn late_turn(self: Arc<Self>, turn: Turn, operation: Operation, responder: Responder) {
        if !is_file(&turn) {
            return self.stream_turn(turn, operation, responder).await;
        }
        let answer = answer_of(&operation);
        let work = move |run: Arc<Self>, responder: Responder, room| {
            responder.answer(on_file(turn, operation, &run), room);
        };
        self.blocking_later(answer, responder, work).await;
    }

    fn file_operation(
        self: Arc<Self>,
        operation: Operation,
        responder: Responder,
        tasks: &mut JoinSet<()>,
    ) -> Option<AbortHandle> {
        // Taken here: `Deno.chdir` behind it in the frames may overtake it on its thread.
        let cwd = self.cwd();
        let answer = answer_of(&operation);
        self.blocking(answer, responder, tasks, move |run, responder, room| match operation {
            Operation::ReadFile { path } => run.read_file(path, &cwd, responder, room),
            operation => responder.answer(run.on_paths(operation, &cwd), room),
        })
    }

    fn files<'a>(&'a self, cwd: &'a Path) -> Files<'a> {
        Files {
            policy: &self.services.policy,
            cwd,
            workspace: &self.services.workspace,
            quota: &self.quota,
        }
    }

    /// Operations on paths. Blocks.
    fn on_paths(&self, operation: Operation, cwd: &Path) -> Result<Answer, Problem> {
        if self.quota.is_over() {
            return Err(super::interrupted().into());
        }
        let files = self.files(cwd);
        match operation {
            Operation::Open { path, options } => {
                let call = if options.whole { "writefile" } else { "open" };
                let file = files.open(&path, options, call)?;
                let whole = options.whole.then_some(path);
                Ok(Answer::Handle(self.handles.add(Resource::File { file, whole })?))
            }
            Operation::WriteFile { path, data, options } => files.write_file(&path, &data, options),
            Operation::Stat { path, follow } => files.stat(&path, follow),
            Operation::ReadDir { path } => files.read_dir(&path),
            Operation::Mkdir { path, recursive, mode } => files.mkdir(&path, recursive, mode),
            Operation::Remove { path, recursive } => files.remove(&path, recursive),
            Operation::Rename { from, to } => files.rename(&from, &to),
            Operation::CopyFile { from, to } => files.copy_file(&from, &to),
            Operation::Link { from, to } => files.link(&from, &to),
            Operation::Symlink { target, path } => files.symlink(&target, &path),
            Operation::ReadLink { path } => files.read_link(&path),
            Operation::RealPath { path } => files.real_path(&path),
            Operation::Truncate { path, length } => files.truncate(&path, length),
            Operation::Chmod { path, mode } => files.chmod(&path, mode),
            Operation::Utime { path, accessed, modified } => {
                files.utime(&path, (accessed, modified))
            }
            Operation::MakeTemp { directory, parent, prefix, suffix } => files.make_temp(
                directory,
                parent.as_deref(),
                prefix.as_deref().unwrap_or_default(),
                suffix.as_deref().unwrap_or_default(),
            ),
            // Looks for commands in PATH.
            Operation::Query { name, target } => {
                let state = self.services.policy.query(&name, target.as_deref(), cwd);
                Ok(Answer::Permission(state))
            }
            Operation::Chdir { path } => {
                *self.lock_cwd() = files.directory(&path)?;
                Ok(Answer::Done)
            }
            _ => Err(super::interrupted().into()),
        }
    }

    /// Sends a whole file in pieces. Blocks for the first, which is all of a small file.
    fn read_file(self: Arc<Self>, path: String, cwd: &Path, responder: Responder, room: Room) {
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
        if size > self.services.max_memory {
            return Err(self.too_large(&path, size));
        }
        Ok(Whole { file, path, size, read: 0 })
    }

    fn too_large(&self, path: &str, size: u64) -> Problem {
        Failure::new(
            "RangeError",
            format!(
                "The file has {size} bytes, more than the run has memory: {} MiB ({MAX_MEMORY}). \
                 Read it in pieces, with Deno.open: readfile '{path}'",
                self.services.max_memory >> 20
            ),
        )
        .into()
    }

    /// Sends what is read, and reads the next piece when there is room for it: the
    /// thread is somebody else's meanwhile.
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
            if whole.read > self.services.max_memory {
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
                None => break Err(super::interrupted().into()),
            };
        };
        responder.answer(result, room);
    }

    /// Room for one more piece on its way to the worker.
    async fn piece_room(&self) -> Result<Room, Problem> {
        let place = self.room().await.ok_or_else(super::interrupted)?;
        let charge = self.account.charge(MAX_READ).await.map_err(no_memory)?;
        Ok(Room::new(place, charge))
    }

    /// Does one bounded step on a thread that may block, and takes its turn for that.
    /// Nothing if the run has ended.
    pub(super) async fn on_thread<T: Send + 'static>(
        self: &Arc<Self>,
        step: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.services.threads.work().await;
        let run = self.clone();
        let step = move || {
            let _turn = turn;
            (!run.quota.is_over()).then(|| run.meter.counts(step))
        };
        tokio::task::spawn_blocking(step).await.ok().flatten()
    }
}

/// A file that is read from its beginning to its end.
struct Whole {
    file: File,
    path: String,
    /// When it was opened.
    size: u64,
    read: u64,
}

struct Piece {
    bytes: Vec<u8>,
    is_last: bool,
}

impl Whole {
    fn left(&self) -> u64 {
        self.size.saturating_sub(self.read)
    }

    /// Reads on, [`MAX_READ`] bytes at most. Blocks.
    fn piece(&mut self) -> io::Result<Piece> {
        // One byte more than is left shows the end without another piece.
        let left = usize::try_from(self.left() + 1).unwrap_or(MAX_READ);
        let mut bytes = vec![0; left.clamp(MIN_PIECE, MAX_READ)];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read(&mut bytes[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        let is_last = filled < bytes.len();
        bytes.truncate(filled);
        self.read += filled as u64;
        Ok(Piece { bytes, is_last })
    }

    fn problem(&self, error: io::Error) -> Problem {
        Problem::opening(error.into(), &format!(": readfile '{}'", self.path))
    }
}
