//! One program, from its start to its outcome. What it does in between is asked of the host,
//! call by call, while the interpreter stands still.

use super::boot;
use super::interpreter::{Interpreter, Trap, exit_code};
use super::world::End;
use crate::engines::v8::stop;
use crate::protocol::{Outcome, Program};
use crate::sandbox::sys;
use crate::worker::{EXIT_INTERPRETER, EXIT_LOST, Lost, Shell};

/// Runs the program to its end, or until the server says stop.
///
/// # Errors
/// The server is gone.
pub(super) fn run(
    interpreter: &mut Interpreter,
    program: Program,
    shell: &Shell,
) -> Result<Outcome, Lost> {
    interpreter.host().guest.borrow_mut().enter(shell.connection.clone(), program);
    let ended = interpreter.turn(boot::MAIN);
    let outcome = interpreter.host().guest.borrow_mut().outcome();
    let is_stopped = stop::requested() || shell.connection.is_stopped();
    match (ended, outcome) {
        (Err(Trap::Ended(End::Lost)), _) => Err(Lost),
        (Err(Trap::Ended(End::Exceeded(limit))), _) => {
            Ok(Outcome::Exceeded { limit, stack: interpreter.stack() })
        }
        (Err(Trap::Ended(End::Stopped) | Trap::Terminated), _) => Ok(stopped(interpreter)),
        // What else ends it while it is to stop comes of that.
        _ if is_stopped => Ok(stopped(interpreter)),
        (Err(Trap::Ended(End::Exit(code))), None) => Ok(Outcome::Exit(code.cast_signed())),
        (_, Some(outcome)) => Ok(outcome),
        // `main` says its outcome before it returns, unless it was lost.
        (Err(Trap::Lost(reason)), None) => sys::exit_now(exit_code(&reason)),
        (Ok(_), None) => sys::exit_now(EXIT_INTERPRETER),
    }
}

/// What a program comes to that was ended: a value that it had before is not lost.
fn stopped(interpreter: &mut Interpreter) -> Outcome {
    let running = interpreter.line();
    let left = interpreter.host().guest.borrow_mut().left(running);
    left.map_or_else(|| Outcome::Stopped { stack: interpreter.stack() }, Outcome::Left)
}

/// Runs text of the engine's own in a worker that cannot go on without it.
pub(super) fn expect_turn(interpreter: &mut Interpreter, source: &str) {
    match interpreter.turn(source) {
        Ok(0) => {}
        Ok(_) | Err(Trap::Lost(_) | Trap::Terminated) => sys::exit_now(EXIT_INTERPRETER),
        Err(Trap::Ended(_)) => sys::exit_now(EXIT_LOST),
    }
}
