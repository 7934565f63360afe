//! TypeScript as an engine: an isolate made from the startup snapshot, in the zygote
//! (warm) or in the worker (fresh).

use std::io;
use std::panic::Location;
use std::rc::Rc;

use tokio::runtime::Runtime;

use super::flavor::Flavor;
use super::host::WorkerHost;
use super::isolate::Isolate;
use super::packages::Packages;
use super::preload::preload;
use super::run::Run;
use super::unfinished::Timers;
use super::warm::{touch, warm_up};
use crate::engines::v8::{self, stop};
use crate::protocol::{Isolate as IsolateMode, Outcome, Program, ZygoteSetup};
use crate::sandbox::CRYPTO_THREADS;
use crate::worker::{Engine, LoadError, Lost, Profile, Shell};

/// Runs TypeScript programs in V8.
pub(crate) struct TypeScript {
    flavor: Flavor,
    /// What is installed, and nothing in the plain flavor.
    packages: Rc<Packages>,
    /// What it does without.
    notes: Vec<String>,
    max_memory: u64,
    /// Warm from the zygote, or made when a worker was entered.
    isolate: Option<Isolate>,
    /// What the warm isolate was made in, until it is warm.
    starting: Option<Runtime>,
}

const MADE: &str = "an isolate is made before a worker is sealed";

impl TypeScript {
    /// Programs without packages and `node:` built-ins.
    pub(crate) fn plain() -> Self {
        Self::new(Flavor::Plain)
    }

    /// Programs with both.
    pub(crate) fn with_packages() -> Self {
        Self::new(Flavor::Node)
    }

    fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            packages: Rc::default(),
            notes: Vec::new(),
            max_memory: 0,
            isolate: None,
            starting: None,
        }
    }

    fn make_isolate(&mut self, event_loop: &Runtime) -> io::Result<()> {
        let _guard = event_loop.enter();
        self.isolate = Some(Isolate::new(self.max_memory, self.flavor, self.packages.clone())?);
        Ok(())
    }

    fn isolate(&mut self) -> &mut Isolate {
        self.isolate.as_mut().expect(MADE)
    }
}

impl Engine for TypeScript {
    fn load(&mut self, setup: &ZygoteSetup) -> Result<(), LoadError> {
        v8::initialize(self.flavor.v8_flags());
        v8::set_time_zone(&setup.time_zone)
            .map_err(|code| format!("ICU cannot set the time zone: error {code}"))?;
        self.max_memory = setup.max_memory;
        if let Some(generation) = setup.packages.as_ref().filter(|_| self.flavor == Flavor::Node) {
            self.packages = Rc::new(Packages::open(generation));
            self.notes.extend_from_slice(self.packages.problems());
        }
        // Once, for isolates that are made after the fork as well.
        self.flavor.snapshot()?;
        if setup.isolate == IsolateMode::Warm {
            // Without an I/O driver the runtime owns no descriptor that a fork would
            // share. V8's delayed tasks land in it and are never run after this.
            let starting = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            self.make_isolate(&starting)?;
            let packages = self.packages.clone();
            let problems = starting.block_on(preload(self.isolate(), &packages));
            self.notes.extend(problems);
            self.starting = Some(starting);
        }
        Ok(())
    }

    fn warm(&mut self) -> Result<(), LoadError> {
        let Some(starting) = self.starting.take() else { return Ok(()) };
        let warmed = starting.block_on(warm_up(self.isolate()));
        std::mem::forget(starting);
        warmed.map_err(|error| io::Error::other(error.to_string()).into())
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn profile(&self) -> Profile {
        // A fresh isolate reserves its code range after the fork.
        let reserved_bytes = if self.isolate.is_some() { 0 } else { v8::CODE_RANGE_BYTES };
        Profile { reserved_bytes, threads: CRYPTO_THREADS }
    }

    fn is_panic_of_program(&self) -> fn(&Location<'_>) -> bool {
        v8::is_of_import
    }

    fn enter_worker(&mut self, event_loop: &Runtime) -> io::Result<()> {
        v8::reseed()?;
        if self.isolate.is_none() {
            self.make_isolate(event_loop)?;
        }
        stop::install(self.isolate().handle())
    }

    fn touch(&mut self) {
        touch(self.isolate());
    }

    fn run(&mut self, program: Program, shell: &Shell) -> Result<Outcome, Lost> {
        let isolate = self.isolate();
        let mapper = isolate.runtime.source_mapper();
        let timers = Timers::new(isolate.runtime.runtime_activity_stats_factory());
        let connection = shell.connection.clone();
        let handle = isolate.handle();
        let host = Rc::new(WorkerHost::new(connection.clone(), handle, mapper, timers, shell.cpus));
        let mut run = Run::new(isolate, connection, host);
        shell.event_loop.block_on(run.execute(program))
    }
}
