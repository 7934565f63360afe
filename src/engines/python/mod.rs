//! Python programs: CPython, compiled to WebAssembly, in an isolate of V8.
//!
//! For the moment a kind that cannot be loaded, so that others compile.

use std::io;
use std::panic::Location;

use tokio::runtime::Runtime;

use crate::protocol::{Outcome, Program, ZygoteSetup};
use crate::worker::{Engine, LoadError, Lost, Profile, Shell};

/// Runs Python programs.
#[derive(Default)]
pub(crate) struct Python;

impl Engine for Python {
    fn load(&mut self, _setup: &ZygoteSetup) -> Result<(), LoadError> {
        Err("not yet".into())
    }
    fn warm(&mut self) -> Result<(), LoadError> {
        Ok(())
    }
    fn profile(&self) -> Profile {
        Profile::default()
    }
    fn is_panic_of_program(&self) -> fn(&Location<'_>) -> bool {
        |_| false
    }
    fn enter_worker(&mut self, _event_loop: &Runtime) -> io::Result<()> {
        Ok(())
    }
    fn touch(&mut self) {}
    fn run(&mut self, _program: Program, _shell: &Shell) -> Result<Outcome, Lost> {
        Err(Lost)
    }
}
