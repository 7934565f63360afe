//! `Deno.Command`: from an operation to a confined process.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::failure::Problem;
use super::handles::{Allowance, Resource};
use super::open::OpenError;
use super::process::{Launch, Pipes, Process};
use super::quota::Quota;
use super::reply::Event;
use super::resolve::Resolver;
use super::run::Run;
use crate::config::environment::MAX_COMMAND_OUTPUT;
use crate::memory::{Account, Charge};
use crate::policy::AllowedCommand;
use crate::protocol::{Answer, Child, Exit, Failure, Output, SpawnOptions, Stdio, Stream};
use crate::sandbox::Confinement;

/// Where a command finds others, if the server itself has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Bytes that are passed on from a command to the run's output at once.
const INHERITED_PIECE: usize = 16 << 10;

/// Bytes of a command's output that room is made for first; then it doubles.
const OUTPUT_PIECE: usize = 4 << 10;

/// How long the rest of a command's output is waited for when it has ended: what
/// it left behind may hold the pipe open. Twice: a server that had no time itself for
/// so long finds the output in the pipe and the time over at the same moment.
const REST_OF_OUTPUT: Duration = Duration::from_millis(250);

/// A command that was started, with the tasks that pass its output on.
pub(super) struct Started {
    pub process: Process,
    forwards: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
    /// It printed more than a program may take from it.
    flooded: Arc<AtomicBool>,
    limit: u64,
}

impl Started {
    /// Waits for the end, and for output that is on its way.
    pub(super) async fn wait(&self) -> Result<Exit, Failure> {
        let exit = self.process.wait().await;
        for mut forward in self.forwards.lock().await.drain(..) {
            if timeout(REST_OF_OUTPUT, &mut forward).await.is_err() {
                let _ = timeout(REST_OF_OUTPUT, forward).await;
            }
        }
        if self.flooded.load(Ordering::Acquire) { Err(too_much(self.limit)) } else { exit }
    }
}

impl Run {
    /// Starts a command whose pipes become handles.
    pub(super) async fn spawn(self: &Arc<Self>, options: SpawnOptions) -> Result<Answer, Problem> {
        let _turn = self.commands.acquire().await.map_err(|_| super::interrupted())?;
        let (started, mut pipes) = self.launch(&options).await?;
        let pid = started.process.id();
        let limit = Allowance::new(self.services().max_command_output);
        let add = |resource: Option<Resource>| resource.map(|r| self.handles.add(r)).transpose();
        Ok(Answer::Child(Child {
            pid,
            stdin: add(pipes.stdin.take().map(Resource::Stdin))?,
            stdout: add(pipes.stdout.take().map(|pipe| Resource::Stdout(pipe, limit)))?,
            stderr: add(pipes.stderr.take().map(|pipe| Resource::Stderr(pipe, limit)))?,
            handle: self.handles.add_process(started)?,
        }))
    }

    /// Runs a command to its end. It counts as open, with its pipes. `before` is for what
    /// it printed until the answer has a charge of its own.
    pub(super) async fn output(
        self: &Arc<Self>,
        options: SpawnOptions,
        before: &mut Charge,
    ) -> Result<Answer, Problem> {
        let _open = Open::new(&self.quota)?;
        let (started, mut pipes) = self.launch(&options).await?;
        drop(pipes.stdin.take());
        let limit = self.services().max_command_output;
        let (stdout, stderr) = (pipes.stdout.take(), pipes.stderr.take());
        let memory = &self.services().memory;
        let (stdout, stderr) =
            tokio::try_join!(collect(stdout, limit, memory), collect(stderr, limit, memory))?;
        let exit = started.wait().await?;
        let mut bytes = |output: Option<(Vec<u8>, Charge)>| {
            let (bytes, charge) = output?;
            before.merge(charge);
            Some(bytes.into())
        };
        Ok(Answer::Output(Box::new(Output { exit, stdout: bytes(stdout), stderr: bytes(stderr) })))
    }

    async fn launch(self: &Arc<Self>, options: &SpawnOptions) -> Result<(Started, Pipes), Problem> {
        let command = self.services().policy.command(&options.command)?;
        let environment = self.command_environment(options)?;
        let run = self.clone();
        let cwd = options.cwd.clone();
        let directory = self
            .on_thread(move || run.command_directory(cwd.as_deref()))
            .await
            .ok_or_else(super::interrupted)??;
        let confinement = self.confinement(&command);
        let (process, mut pipes) = Process::start(Launch {
            program: command.program(),
            args: &options.args,
            environment: &environment,
            directory,
            stdin: options.stdin,
            stdout: options.stdout,
            stderr: options.stderr,
            confinement: &confinement,
            crowd: &self.crowd,
        })
        .await?;
        let mut forwards = Vec::new();
        let flooded = Arc::new(AtomicBool::new(false));
        if options.stdout == Stdio::Inherit {
            let forward = |pipe| self.forward(pipe, Stream::Stdout, flooded.clone());
            forwards.extend(pipes.stdout.take().map(forward));
        }
        if options.stderr == Stdio::Inherit {
            let forward = |pipe| self.forward(pipe, Stream::Stderr, flooded.clone());
            forwards.extend(pipes.stderr.take().map(forward));
        }
        let limit = self.services().max_command_output;
        Ok((Started { process, forwards: forwards.into(), flooded, limit }, pipes))
    }

    /// A minimal environment, what `allow-env` names, and what the program gives
    /// of that.
    fn command_environment(
        &self,
        options: &SpawnOptions,
    ) -> Result<Vec<(String, String)>, Problem> {
        let services = self.services();
        let server = |name: &str| services.environment.get(name).cloned();
        let mut all = std::collections::BTreeMap::new();
        if !options.clear_env {
            let granted = self.environment.all(&services.policy, &services.environment);
            // A program may have set them.
            let fit = |(name, _): &(String, String)| services.policy.allows_command_variable(name);
            all.extend(granted.into_iter().filter(fit));
        }
        let or = |value: Option<String>, other: &str| value.unwrap_or_else(|| other.to_owned());
        let workspace = services.workspace.to_string_lossy().into_owned();
        all.entry("PATH".into()).or_insert(or(server("PATH"), DEFAULT_PATH));
        all.entry("LANG".into()).or_insert(or(server("LANG"), "C.UTF-8"));
        all.insert("HOME".into(), workspace);
        for (name, value) in &options.env {
            if !services.policy.allows_command_variable(name) {
                return Err(services.policy.command_variable(name).into());
            }
            all.insert(name.clone(), value.clone());
        }
        Ok(all.into_iter().collect())
    }

    /// Opens the working directory. The workspace itself needs no grant: nothing
    /// in it can be read without one.
    fn command_directory(&self, cwd: Option<&str>) -> Result<OwnedFd, Problem> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let current = self.cwd();
        let workspace = &self.services().workspace;
        if cwd.is_none() && current == *workspace {
            let opened = open(workspace, flags, Mode::empty()).map_err(std::io::Error::from);
            return Ok(opened?);
        }
        let cwd = cwd.map_or_else(|| current.to_string_lossy().into_owned(), str::to_owned);
        let resolver = Resolver::new(&self.services().policy.read, &current, &self.quota);
        let opened = || resolver.open(&resolver.allow(&cwd)?, flags);
        opened().map_err(|error: OpenError| Problem::opening(error, &format!(": chdir '{cwd}'")))
    }

    fn confinement(&self, command: &AllowedCommand) -> Confinement {
        let services = self.services();
        let policy = &services.policy;
        Confinement {
            read: policy.read.granted(),
            write: policy.write.granted(),
            deny_read: policy.read.closed().to_vec(),
            deny_write: policy.write.closed().to_vec(),
            program: command.program().to_owned(),
            network: policy.opens_network_to_commands(),
            limits: services.command_limits.clone(),
            unconfined: policy.is_unconfined(),
            without_landlock: services.without_landlock,
        }
    }

    /// Passes on what a command prints, as the run's own output. Beyond the limit the
    /// pipe is closed, as that of a program which does not read any more.
    fn forward(
        self: &Arc<Self>,
        mut pipe: impl AsyncRead + Unpin + Send + 'static,
        stream: Stream,
        flooded: Arc<AtomicBool>,
    ) -> JoinHandle<()> {
        // Not the run itself: it ends the command when it is dropped.
        let (events, pieces) = (self.events(), self.pieces());
        let mut left = self.services().max_command_output;
        tokio::spawn(async move {
            let mut buffer = vec![0; INHERITED_PIECE];
            while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
                match left.checked_sub(read as u64) {
                    Some(rest) => left = rest,
                    None => return flooded.store(true, Ordering::Release),
                }
                let Ok(room) = pieces.clone().acquire_owned().await else { return };
                let bytes = buffer[..read].to_vec();
                if events.send(Event::Output { stream, bytes, _room: Some(room) }).is_err() {
                    return;
                }
            }
        })
    }
}

/// A command and two pipes that have no handles.
struct Open<'a>(&'a Quota, usize);

impl<'a> Open<'a> {
    fn new(quota: &'a Quota) -> Result<Self, Problem> {
        let mut open = Self(quota, 0);
        for _ in 0..3 {
            quota.open()?;
            open.1 += 1;
        }
        Ok(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        (0..self.1).for_each(|_| self.0.close());
    }
}

/// Everything from a pipe, up to the limit, with what it takes of the server's memory.
async fn collect(
    pipe: Option<impl AsyncRead + Unpin>,
    limit: u64,
    memory: &Account,
) -> Result<Option<(Vec<u8>, Charge)>, Problem> {
    let Some(pipe) = pipe else { return Ok(None) };
    let mut pipe = pipe.take(limit + 1);
    let (mut bytes, mut charge) = (Vec::new(), Charge::none());
    loop {
        if bytes.len() == bytes.capacity() {
            let more = bytes.capacity().max(OUTPUT_PIECE);
            charge.merge(
                memory.charge(more).await.map_err(|error| Failure::limit(error.to_string()))?,
            );
            bytes.reserve_exact(more);
        }
        if pipe.read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    if bytes.len() as u64 > limit {
        return Err(too_much(limit).into());
    }
    // It is held until the answer has its own charge.
    bytes.shrink_to_fit();
    charge.shrink_to(bytes.len());
    Ok(Some((bytes, charge)))
}

/// A command printed more than a program may take from it.
pub(super) fn too_much(limit: u64) -> Failure {
    Failure::limit(format!(
        "The command printed more than {limit} bytes ({MAX_COMMAND_OUTPUT}). Let it print less, \
         or let it write a file and read that"
    ))
}
