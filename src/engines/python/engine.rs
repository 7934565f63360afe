//! Python as an engine: an interpreter that is started, has imported its packages and run a
//! corpus of programs in the zygote, and runs one more in each worker.

use std::io;
use std::panic::Location;
use std::path::PathBuf;
use std::rc::Rc;

use tokio::runtime::Runtime;

use super::boot;
use super::guest::Guest;
use super::image::{Image, ImageError};
use super::interpreter::Interpreter;
use super::run;
use super::warm;
use crate::engines::v8::{self, stop};
use crate::packages::python::PythonFiles;
use crate::protocol::{Outcome, Program, ZygoteSetup};
use crate::sandbox::sys::SignalAction;
use crate::worker::{Engine, LoadError, Lost, Profile, Shell};

/// The module below the component's directory.
const MODULE: &str = "python.wasm";

/// Where the interpreter's calls are nested, of [`STACK_BYTES`](crate::sandbox::STACK_BYTES): the
/// rest is for Rust's own and what a signal handler takes. Python's own limit of 1,000 calls
/// takes 1 MiB of it; a list that is nested 100,000 levels deep is freed in 30 MiB.
const STACK_KIB: u64 = 48 << 10;

/// Functions that run for the first time would count whom they call, for inlining, in pages that each
/// worker copies: without it a pandas program has 100 of those less and takes 17 ms for 20, and a
/// loop of 300,000 turns takes 54 ms for 50.
const NO_FEEDBACK: &str = "--no-wasm-inlining --no-wasm-inlining-call-indirect";

/// Of an interpreter whose memory is not laid out as it is known here.
const SHALLOW: &str = "recursion through functions of C ends at some 200 levels: this python.wasm \
                       is not the one that is known";

/// V8's own flags for Python. Its dynamic tiers compile on this thread, as there is no other.
fn flags() -> String {
    format!("--stack-size={STACK_KIB} {NO_FEEDBACK}")
}

/// Runs Python programs in V8.
#[derive(Default)]
pub(crate) struct Python {
    interpreter: Option<Interpreter>,
    /// The directory that it was loaded from.
    component: PathBuf,
    /// What it does without.
    notes: Vec<String>,
    /// V8's handler of page faults in WebAssembly.
    page_faults: Option<SignalAction>,
    /// What is to be this worker's own is so.
    is_fresh: bool,
}

const LOADED: &str = "it is loaded in the zygote";

impl Python {
    fn interpreter(&mut self) -> &mut Interpreter {
        self.interpreter.as_mut().expect(LOADED)
    }

    /// Packages that cannot be used do not take Python away.
    fn image(&mut self, files: &PythonFiles) -> Result<Image, ImageError> {
        match (Image::open(&files.component, files.packages.as_deref()), &files.packages) {
            (Err(problem), Some(_)) => {
                let image = Image::open(&files.component, None)?;
                self.notes.push(format!("it has no packages of PyPI: {problem}"));
                Ok(image)
            }
            (opened, _) => opened,
        }
    }

    /// Makes what no two runs may share this worker's own, once.
    fn freshen(&mut self) {
        if !self.is_fresh {
            self.is_fresh = true;
            run::expect_turn(self.interpreter(), boot::FRESH);
        }
    }
}

impl Engine for Python {
    fn load(&mut self, setup: &ZygoteSetup) -> Result<(), LoadError> {
        v8::initialize(&flags());
        self.page_faults = Some(v8::leave_bounds_to_page_faults()?);
        let files = setup.python.as_ref().ok_or("the setup does not say where Python is")?;
        let image = Rc::new(self.image(files)?);
        // Clients are told of it, who need not know where it is.
        let module = std::fs::read(files.component.join(MODULE))
            .map_err(|error| format!("{MODULE}: {error}"))?;
        let max_heap = usize::try_from(setup.max_memory).unwrap_or(usize::MAX);
        let mut interpreter = Interpreter::new(&module, Guest::in_zygote(image), max_heap)?;
        drop(module);
        boot::load(&mut interpreter, &files.preload)?;
        if !interpreter.allow_depth() {
            self.notes.push(SHALLOW.to_owned());
        }
        self.interpreter = Some(interpreter);
        self.component = files.component.canonicalize()?;
        Ok(())
    }

    fn warm(&mut self) -> Result<(), LoadError> {
        let component = std::mem::take(&mut self.component);
        warm::warm_up(self.interpreter(), &component)
    }

    fn profile(&self) -> Profile {
        Profile::default()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn is_panic_of_program(&self) -> fn(&Location<'_>) -> bool {
        |_| false
    }

    fn enter_worker(&mut self, _event_loop: &Runtime) -> io::Result<()> {
        v8::reseed()?;
        if let Some(action) = &self.page_faults {
            action.restore()?;
        }
        stop::install(self.interpreter().handle())
    }

    fn touch(&mut self) {
        self.freshen();
        warm::touch(self.interpreter());
    }

    fn run(&mut self, program: Program, shell: &Shell) -> Result<Outcome, Lost> {
        self.freshen();
        run::run(self.interpreter(), program, shell)
    }
}
