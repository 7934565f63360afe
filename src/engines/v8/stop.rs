//! Stopping a program in the middle of its JavaScript, and where it was.
//!
//! The server sends SIGUSR1. Its handler asks V8 for an interrupt, V8 serves it
//! at the next stack guard, where the JavaScript stack can be read, and
//! execution is terminated. A program that is inside a native call, or whose
//! interrupted malloc makes the request fail, is ended by SIGKILL a grace later.

use std::cell::RefCell;
use std::ffi::c_void;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use deno_core::v8;

use crate::protocol::control::STOP_SIGNAL;
use crate::sandbox::sys;

/// Frames of a stack that are shown; more do not help to find a loop.
const MAX_FRAMES: usize = 10;

static ISOLATE: OnceLock<v8::IsolateHandle> = OnceLock::new();
static STOPPED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static STACK: RefCell<Option<Vec<Frame>>> = const { RefCell::new(None) };
}

/// A place in transpiled code.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub function: String,
    pub file: String,
    pub line: u32,
    pub column: u32,
}

/// Installs the handler. Once in each worker, before its program arrives.
pub(crate) fn install(isolate: v8::IsolateHandle) -> io::Result<()> {
    ISOLATE.get_or_init(|| isolate);
    // SAFETY: the handler enters V8's interrupt queue, which locks and
    // allocates. If it comes while this thread is inside malloc or V8's lock,
    // the worker may hang or crash; it is about to be killed either way, and
    // the server reports the limit that was exceeded, not how the worker died.
    unsafe { sys::handle_signal(STOP_SIGNAL, on_stop) }
}

/// Whether the stop signal came.
pub(crate) fn requested() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// Where the program was, if it was in JavaScript.
pub(crate) fn stack() -> Option<Vec<Frame>> {
    STACK.with_borrow(Clone::clone)
}

extern "C" fn on_stop(_signal: libc::c_int) {
    STOPPED.store(true, Ordering::Relaxed);
    if let Some(isolate) = ISOLATE.get() {
        isolate.request_interrupt(on_interrupt, std::ptr::null_mut());
    }
}

extern "C" fn on_interrupt(isolate: v8::UnsafeRawIsolatePtr, _data: *mut c_void) {
    // SAFETY: V8 passes the isolate that runs on this thread, alive for the call.
    let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    if let Some(MainContext(context)) = isolate.get_slot::<MainContext>() {
        let context = context.clone();
        v8::scope!(let scope, &mut isolate);
        let context = v8::Local::new(scope, context);
        read_stack(&v8::ContextScope::new(scope, context));
    }
    isolate.terminate_execution();
}

/// The context that programs run in, in an isolate slot.
pub(crate) struct MainContext(pub v8::Global<v8::Context>);

/// Keeps the current JavaScript stack for the report.
fn read_stack(scope: &v8::PinScope<'_, '_>) {
    let Some(trace) = v8::StackTrace::current_stack_trace(scope, MAX_FRAMES) else { return };
    let frames = (0..trace.get_frame_count())
        .filter_map(|index| trace.get_frame(scope, index))
        .map(|frame| Frame {
            function: text(scope, frame.get_function_name(scope)),
            file: text(scope, frame.get_script_name(scope)),
            line: u32::try_from(frame.get_line_number()).unwrap_or(0),
            column: u32::try_from(frame.get_column()).unwrap_or(0),
        })
        .collect();
    STACK.set(Some(frames));
}

fn text(scope: &v8::PinScope<'_, '_>, value: Option<v8::Local<'_, v8::String>>) -> String {
    value.map(|value| value.to_rust_string_lossy(scope)).unwrap_or_default()
}
