//! V8 for a process, and what every isolate in it is given: limits, and a way to stop.

use std::sync::Once;

use deno_core::{JsRuntime, v8};

use super::stop::MainContext;
use crate::sandbox::sys::{self, SignalAction};
use crate::worker::EXIT_MEMORY;

/// V8's threads do not survive a fork, so there are none. Without concurrent
/// recompilation a hot loop would stay in Maglev code after on-stack
/// replacement, 3.4 times slower on a matrix product; --no-maglev-osr undoes
/// that. The seed of Math.random is set in each worker, which a frozen flag
/// would not allow. What the zygote compiled is kept, and with the positions that
/// an error's stack has: V8 finds them out by parsing the whole function again,
/// in each worker (lodash: half of its import, typescript: nine tenths).
const V8_FLAGS: &str = "--single-threaded --no-maglev-osr --no-freeze-flags-after-init \
                        --no-flush-bytecode --no-enable-lazy-source-positions";

/// What the heap may grow beyond its limit so that a terminated program can
/// unwind.
const UNWIND_BYTES: usize = 32 << 20;

/// What V8 reserves for code, writable and executable, when an isolate is made.
pub(crate) const CODE_RANGE_BYTES: u64 = 512 << 20;

/// Initializes V8 for this process, with an engine's flags beside those of all. Reads ICU's
/// data; opens no descriptor.
pub(crate) fn initialize(flags: &str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        v8::V8::set_flags_from_string(V8_FLAGS);
        v8::V8::set_flags_from_string(flags);
        let platform = v8::new_single_threaded_default_platform(false).make_shared();
        JsRuntime::init_platform(Some(platform));
    });
}

/// Sets whether V8 compiles functions with the script that they are in, or each when it is
/// called first.
pub(crate) fn compile_all_functions(all: bool) {
    v8::V8::set_flags_from_string(if all { "--no-lazy" } else { "--lazy" });
}

/// Lets V8 leave it to the processor to find accesses beyond the memory of WebAssembly: a page
/// fault in its code becomes a trap of it. Code without checks of its own is a quarter faster.
/// To be called once, before the first isolate is made. What it answers is to be restored in a
/// worker: [`with_single_text_pages`](sys::with_single_text_pages) takes its signal away.
pub(crate) fn leave_bounds_to_page_faults() -> std::io::Result<SignalAction> {
    v8::V8::enable_web_assembly_trap_handler(true);
    SignalAction::of(nix::sys::signal::Signal::SIGSEGV)
}

/// Seeds Math.random. To be called after the fork, before the first use.
pub(crate) fn reseed() -> std::io::Result<()> {
    let mut bytes = [0; 4];
    sys::random(&mut bytes)?;
    // The flag is an int, and V8 takes 0 for "no seed given": it would ask the
    // generator that all workers of a zygote share.
    let seed = (u32::from_ne_bytes(bytes) >> 1).max(1);
    v8::V8::set_flags_from_string(&format!("--random-seed={seed}"));
    Ok(())
}

/// Makes an isolate one that can be stopped, and whose lack of memory is told.
pub(crate) fn guard(runtime: &mut JsRuntime) {
    let context = runtime.main_context();
    let isolate = runtime.v8_isolate();
    isolate.set_slot(MainContext(context));
    tell_of_full_heap(isolate);
}

/// Makes a lack of memory in an isolate one that is told.
pub(crate) fn tell_of_full_heap(isolate: &mut v8::Isolate) {
    isolate.set_oom_error_handler(out_of_memory);
}

/// Ends the program when the heap is full, instead of the process.
pub(crate) fn watch_heap(runtime: &mut JsRuntime, on_full: impl Fn() + 'static) {
    let handle = runtime.v8_isolate().thread_safe_handle();
    runtime.add_near_heap_limit_callback(move |limit, _initial| {
        on_full();
        handle.terminate_execution();
        limit + UNWIND_BYTES
    });
}

/// V8 cannot go on. The exit code tells the server why.
unsafe extern "C" fn out_of_memory(_location: *const std::ffi::c_char, _details: &v8::OomDetails) {
    sys::exit_now(EXIT_MEMORY);
}
