//! The state of one run, and what each operation does.

use std::fs::File;
use std::io::Read;
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
use super::quota::Quota;
use super::refusals::Refusals;
use super::reply::{Event, Responder};
use super::tools::{ForWhom, Tools};
use crate::config::environment::MAX_MEMORY;
use crate::protocol::{Answer, Failure, Operation};

/// Bytes of requests that may wait in the server for one run; a worker that sends
/// more is not read until some are done. One whole-file write in pieces has less.
pub(crate) const MAX_WAITING_BYTES: usize = 8 << 20;

/// File operations of one run at the same time: enough to keep a disk busy, few
/// enough that 32 runs fit into tokio's 512 blocking threads.
const FILE_OPERATIONS: usize = 16;

const TOO_MANY_PARTS: &str = "Too many arguments, variables or headers: 4096 of each are accepted";

/// Commands of one run that are being started, or run to their end for
/// `outputSync`, at the same time.
const COMMANDS: usize = 4;

/// Pieces of whole files on their way to one worker, [`MAX_READ`] bytes each.
const PIECES: usize = 8;

/// Smallest buffer for a piece of a file: some file systems report a size of 0.
const MIN_PIECE: usize = 4096;

pub(super) struct Run {
    services: Arc<Services>,
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
            ),
            refusals: Arc::new(Refusals::new(
                services.audit.clone(),
                services.metrics.clone(),
                services.memory.clone(),
                execution,
            )),
            tools: Tools::new(for_whom, services.max_tool_calls),
            services,
            quota,
            events,
            queued: Arc::default(),
            file_operations: Arc::new(Semaphore::new(FILE_OPERATIONS)),
            commands: Arc::new(Semaphore::new(COMMANDS)),
            crowd: Arc::default(),
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
            responder.answer(Err(Failure::type_error(TOO_MANY_PARTS).into()), None);
            return None;
        }
        match operation {
            Op::EnvGet { .. }
            | Op::EnvSet { .. }
            | Op::EnvDelete { .. }
            | Op::EnvAll
            | Op::Close { .. }
            | Op::Kill { .. } => {
                responder.answer(self.at_once(operation), None);
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
                        Some(turn) => Some(tasks.spawn(async move {
                            self.stream_turn(turn, operation, responder).await;
                        })),
                        None => Some(tasks.spawn(async move {
                            let turn = turn.await;
                            self.late_turn(turn, operation, responder).await;
                        })),
                    }
                }
                Err(failure) => {
                    responder.answer(Err(failure.into()), None);
                    None
                }
            },
            // Taken here: a worker that was told that the body is no longer wanted
            // closes it next, and is to learn why all the same.
            Op::FetchResponse { handle } => match self.handles.take_response(handle) {
                Ok(response) => Some(tasks.spawn(async move {
                    responder.answer(self.fetch_response(response).await, None);
                })),
                Err(failure) => {
                    responder.answer(Err(failure.into()), None);
                    None
                }
            },
            Op::Fetch { .. } | Op::Spawn(_) | Op::Wait { .. } => Some(tasks.spawn(async move {
                let result = self.in_time(operation).await;
                responder.answer(result, None);
            })),
            Op::CallTool { .. }
            | Op::AskServer { .. }
            | Op::Servers
            | Op::SearchTools { .. }
            | Op::ToolSchema { .. }
            | Op::Module { .. } => Some(tasks.spawn(async move {
                // One after the other beyond the limit; the answer counts until the
                // session has taken it.
                let Some(turn) = self.tools.turn().await else { return };
                let result = self.upstream(operation, responder.trace_parent()).await;
                responder.answer(result, Some(turn));
            })),
            Op::Output(options) => Some(tasks.spawn(async move {
                let Ok(turn) = self.commands.clone().acquire_owned().await else { return };
                let result = self.output(*options).await;
                // What it printed is kept until the session takes it.
                responder.answer(result, Some(turn));
            })),
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

    /// Does something on a thread that may block, now if there is a place.
    fn blocking(
        self: Arc<Self>,
        tasks: &mut JoinSet<()>,
        work: impl FnOnce(Arc<Self>, OwnedSemaphorePermit) + Send + 'static,
    ) -> Option<AbortHandle> {
        match self.file_operations.clone().try_acquire_owned() {
            Ok(place) => Some(tasks.spawn_blocking(move || work(self, place))),
            Err(_) => Some(tasks.spawn(async move {
                let Ok(place) = self.file_operations.clone().acquire_owned().await else { return };
                let _ = tokio::task::spawn_blocking(move || work(self, place)).await;
            })),
        }
    }

    fn file_turn(
        self: Arc<Self>,
        turn: Turn,
        operation: Operation,
        responder: Responder,
        tasks: &mut JoinSet<()>,
    ) -> Option<AbortHandle> {
        self.blocking(tasks, move |run, place| {
            responder.answer(on_file(turn, operation, &run), Some(place));
        })
    }

    async fn stream_turn(self: Arc<Self>, turn: Turn, operation: Operation, responder: Responder) {
        let result = on_stream(turn, operation).await;
        let room = if result.is_ok() { self.room().await } else { None };
        responder.answer(result, room);
    }

    async fn late_turn(self: Arc<Self>, turn: Turn, operation: Operation, responder: Responder) {
        if !is_file(&turn) {
            return self.stream_turn(turn, operation, responder).await;
        }
        let Ok(place) = self.file_operations.clone().acquire_owned().await else { return };
        let work = move || responder.answer(on_file(turn, operation, &self), Some(place));
        let _ = tokio::task::spawn_blocking(work).await;
    }

    fn file_operation(
        self: Arc<Self>,
        operation: Operation,
        responder: Responder,
        tasks: &mut JoinSet<()>,
    ) -> Option<AbortHandle> {
        // Taken here: `Deno.chdir` behind it in the frames may overtake it on its thread.
        let cwd = self.cwd();
        self.blocking(tasks, move |run, place| match operation {
            Operation::ReadFile { path } => run.read_file(&path, &cwd, responder, place),
            operation => responder.answer(run.on_paths(operation, &cwd), Some(place)),
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

    /// Sends a whole file in pieces. Blocks, also while the worker does not take
    /// them.
    fn read_file(&self, path: &str, cwd: &Path, responder: Responder, place: OwnedSemaphorePermit) {
        let files = self.files(cwd);
        let opened = files.open_whole(path).and_then(|(file, size)| {
            if size <= self.services.max_memory {
                Ok((file, size))
            } else {
                Err(self.too_large(path, size))
            }
        });
        let result = opened.and_then(|(file, size)| {
            self.send_pieces(file, size, &responder)
                .map_err(|error| Problem::opening(error.into(), &format!(": readfile '{path}'")))
        });
        responder.answer(result, Some(place));
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

    /// A small file is its answer; a larger one goes before it.
    fn send_pieces(
        &self,
        mut file: File,
        size: u64,
        responder: &Responder,
    ) -> std::io::Result<Answer> {
        let mut total = 0;
        loop {
            // One byte more than is left shows the end without another piece.
            let left = usize::try_from(size.saturating_sub(total) + 1).unwrap_or(MAX_READ);
            let mut piece = vec![0; left.clamp(MIN_PIECE, MAX_READ)];
            let mut filled = 0;
            while filled < piece.len() {
                match file.read(&mut piece[filled..])? {
                    0 => break,
                    read => filled += read,
                }
            }
            let is_end = filled < piece.len();
            piece.truncate(filled);
            total += filled as u64;
            if is_end {
                return Ok(Answer::Bytes(piece.into()));
            }
            if total > self.services.max_memory {
                // It grows as fast as it is read.
                return Err(std::io::Error::other("The file grew while it was read"));
            }
            let room = Tokio::current().block_on(self.room());
            let Some(room) = room.filter(|_| !self.quota.is_over()) else {
                return Err(std::io::ErrorKind::Interrupted.into());
            };
            if !responder.data(piece, size.saturating_sub(total), room) {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
        }
    }
}
