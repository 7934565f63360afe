//! The checker as an engine: it has checked a corpus of programs in the zygote, and checks one
//! more in each worker.

use std::io;
use std::panic::Location;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::compiler::{CallError, Compiler};
use super::files::Files;
use super::scripts::{DECLARATIONS, SCRIPTS, base_name};
use crate::engines::v8::{self, stop};
use crate::packages::checker::{CHECK_MEMORY, COMPILER};
use crate::protocol::{Outcome, Program, ProgramError, WorkerMessage, ZygoteSetup};
use crate::sandbox::sys;
use crate::worker::{Engine, LoadError, Lost, Profile, Shell};

/// Where the compiler's calls are nested, of [`STACK_BYTES`](crate::sandbox::STACK_BYTES): with
/// V8's own 984 KiB it gives up at some thousand parentheses, which it meets in programs that are
/// made by programs. Beyond it throws a RangeError.
const STACK_KIB: u64 = 8 << 10;

/// What the compiler, its declarations and their types take in the zygote: 55 to 110 MiB.
const ZYGOTE_HEAP: u64 = 256 << 20;

/// Programs of the corpus between two looks at the clock: some 50 ms.
const SLICE: u32 = 10;

/// Warm enough after this time, on a machine that is so slow or so busy: checks are then slower,
/// and no others wait for the processor.
const MAX_WARM_UP: Duration = Duration::from_secs(20);

/// Checks nothing: what a check does first, so that the pages which that writes are the worker's
/// own.
const NOTHING: &str = r#"{"text":"const one: number = 1; one"}"#;

/// Checks programs in TypeScript.
#[derive(Default)]
pub(crate) struct Checker {
    compiler: Option<Compiler>,
}

const LOADED: &str = "it is loaded in the zygote";

impl Checker {
    fn compiler(&mut self) -> &mut Compiler {
        self.compiler.as_mut().expect(LOADED)
    }
}

impl Engine for Checker {
    fn load(&mut self, setup: &ZygoteSetup) -> Result<(), LoadError> {
        v8::initialize(&format!("--stack-size={STACK_KIB}"));
        let directory = setup.checker.as_ref();
        let files = Files::read(directory.ok_or("the setup does not say where the checker is")?)?;
        let max_heap = usize::try_from(ZYGOTE_HEAP + CHECK_MEMORY).unwrap_or(usize::MAX);
        let mut compiler = Compiler::new(max_heap);
        compiler.run(COMPILER, &files.compiler)?;
        for (name, source) in SCRIPTS {
            compiler.run(name, source)?;
        }
        let mut declarations = files.libraries;
        declarations
            .extend(DECLARATIONS.iter().map(|&(name, text)| (base_name(name).into(), text.into())));
        let missing = compiler.begin(&serde_json::to_string(&declarations)?)?;
        if !missing.is_empty() {
            return Err(missing.into());
        }
        // Once, so that what is set up by the first check is there, and an engine that does not
        // work is not one.
        compiler.check(NOTHING)?;
        self.compiler = Some(compiler);
        Ok(())
    }

    fn warm(&mut self) -> Result<(), LoadError> {
        let compiler = self.compiler();
        let start = Instant::now();
        while start.elapsed() < MAX_WARM_UP && compiler.warm_up(SLICE)? {}
        compiler.collect();
        sys::collapse_to_huge_pages(&std::fs::read_to_string("/proc/self/maps")?);
        Ok(())
    }

    fn profile(&self) -> Profile {
        Profile::default()
    }

    fn is_panic_of_program(&self) -> fn(&Location<'_>) -> bool {
        |_| false
    }

    fn enter_worker(&mut self, _event_loop: &Runtime) -> io::Result<()> {
        v8::reseed()?;
        stop::install(self.compiler().handle())
    }

    fn touch(&mut self) {
        // What is wrong with it the check itself will say.
        let _ = self.compiler().check(NOTHING);
    }

    fn run(&mut self, program: Program, shell: &Shell) -> Result<Outcome, Lost> {
        shell.connection.send(&WorkerMessage::Started)?;
        Ok(match self.compiler().check(&program.source) {
            Ok(verdict) => Outcome::Value(verdict),
            Err(CallError::Terminated) => Outcome::Stopped { stack: None },
            Err(CallError::Thrown(message)) => {
                Outcome::Error(Box::new(ProgramError { message, ..ProgramError::default() }))
            }
        })
    }
}
