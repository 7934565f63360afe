//! `Deno.Command`: from an operation to a confined process.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use tokio::io::AsyncRead;
use tokio::task::{AbortHandle, JoinHandle};

use crate::broker::dispatch::Dispatch;
use crate::broker::event::Room;
use crate::broker::failure::Problem;
use crate::broker::handles::Resource;
use crate::broker::io::{Launch, Pipes, Process, Running};
use crate::broker::open::OpenError;
use crate::broker::quota::Quota;
use crate::broker::resolve::Resolver;
use crate::broker::run::Run;
use crate::broker::streams::{Allowance, collect, forward};
use crate::memory::Charge;
use crate::policy::AllowedCommand;
use crate::protocol::{
    Answer, Child, CommandOperation, Failure, Output, SpawnOptions, Stdio, Stream,
};
use crate::sandbox::Confinement;

/// Where a command finds others, if the server itself has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

pub(super) fn start(operation: CommandOperation, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    match operation {
        CommandOperation::Spawn(options) => {
            dispatch.in_time(|run| async move { run.spawn(*options).await })
        }
        CommandOperation::Output(options) => dispatch.in_task(|run, responder| async move {
            let Ok(turn) = run.commands.clone().acquire_owned().await else { return };
            let mut before = Charge::none();
            let result = run.output(*options, &mut before).await;
            // What it printed is kept until the session takes it.
            responder.answer(result, Room::from(turn).after(before));
        }),
        CommandOperation::Wait { handle } => dispatch.in_time(|run| async move {
            let running = run.handles.process(handle)?;
            Ok(Answer::Exit(running.wait().await?))
        }),
        CommandOperation::Kill { handle, signal } => dispatch.at_once(|run| {
            run.handles.process(handle)?.process.kill(&signal)?;
            Ok(Answer::Done)
        }),
    }
}

impl Run {
    /// Starts a command whose pipes become handles.
    async fn spawn(self: &Arc<Self>, options: SpawnOptions) -> Result<Answer, Problem> {
        let _turn = self.commands.acquire().await.map_err(|_| Failure::interrupted())?;
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
    async fn output(
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

    async fn launch(self: &Arc<Self>, options: &SpawnOptions) -> Result<(Running, Pipes), Problem> {
        let command = self.services().policy.command(&options.command)?;
        let environment = self.command_environment(options)?;
        let run = self.clone();
        let cwd = options.cwd.clone();
        let directory = self
            .on_thread(move || run.command_directory(cwd.as_deref()))
            .await
            .ok_or_else(Failure::interrupted)??;
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
            let forward = |pipe| self.pass_on(pipe, Stream::Stdout, flooded.clone());
            forwards.extend(pipes.stdout.take().map(forward));
        }
        if options.stderr == Stdio::Inherit {
            let forward = |pipe| self.pass_on(pipe, Stream::Stderr, flooded.clone());
            forwards.extend(pipes.stderr.take().map(forward));
        }
        let limit = self.services().max_command_output;
        Ok((Running { process, forwards: forwards.into(), flooded, limit }, pipes))
    }

    /// Makes what a command prints the run's own output.
    fn pass_on(
        &self,
        pipe: impl AsyncRead + Unpin + Send + 'static,
        stream: Stream,
        flooded: Arc<AtomicBool>,
    ) -> JoinHandle<()> {
        // Not the run itself: it ends the command when it is dropped.
        let limit = self.services().max_command_output;
        forward(pipe, stream, limit, flooded, self.events(), self.pieces())
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

    /// Opens the working directory. The workspace itself needs no grant, named or not:
    /// nothing in it can be read without one.
    fn command_directory(&self, cwd: Option<&str>) -> Result<OwnedFd, Problem> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let current = self.cwd();
        let workspace = &self.services().workspace;
        let is_workspace = cwd.is_none_or(|cwd| Path::new(cwd) == workspace);
        if is_workspace && current == *workspace {
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
