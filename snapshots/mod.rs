//! What goes into the startup snapshot, declared once and compiled twice: by
//! `build.rs`, which makes the snapshot, and by the worker, which loads it. The
//! extensions must be the same and in the same order in both.
//!
//! The ops are thin: each hands its arguments to the [`Host`] that the worker
//! put into the op state. While the snapshot is made there is none.

mod calls;
mod error;
mod fetch;
mod node;
mod resource;

use std::rc::Rc;
use std::sync::Arc;

use deno_core::{Extension, OpDecl, OpState, op2, v8};

pub use error::{CallError, CallFuture};

use crate::protocol::{Answer, Operation};
use calls::*;
use fetch::{op_conductor_fetch, op_conductor_fetch_send, op_utf8_to_byte_string};
use resource::op_read_all;

/// What an op asks of the process around the isolate.
pub trait Host {
    /// Takes text that the program printed. `stream` is 1 (stdout) or 2 (stderr).
    fn write(&self, stream: u32, bytes: &[u8]);
    /// Ends the program with an exit code; JavaScript stops soon after.
    fn exit(&self, code: i32);
    /// Ends the program because its value exceeds a limit, `size` or `depth`.
    fn exceeded(&self, limit: &str);
    /// Asks the broker for an operation and waits for the answer.
    #[allow(private_interfaces)]
    fn call_sync(&self, operation: Operation) -> Result<Answer, CallError>;
    /// Asks the broker for an operation. Dropping the future cancels it.
    #[allow(private_interfaces)]
    fn call(&self, operation: Operation) -> CallFuture;
    /// Asks the broker for an operation whose answer does not matter.
    #[allow(private_interfaces)]
    fn forget(&self, operation: Operation);
    /// Where the program is as it makes its next call: script, line, column.
    fn place(&self, place: Option<(String, u32, u32)>);
    /// Whether [`Self::timer`] is to be told of.
    fn follows_timers(&self) -> bool;
    /// A timer was started there: script, line, column.
    fn timer(&self, id: u32, place: (String, u32, u32));
    /// `navigator.hardwareConcurrency`.
    fn cpus(&self) -> u32;
}

fn host(state: &OpState) -> Rc<dyn Host> {
    state.borrow::<Rc<dyn Host>>().clone()
}

#[op2(fast)]
fn op_conductor_write(state: &mut OpState, #[smi] stream: u32, #[string] text: &str) {
    host(state).write(stream, text.as_bytes());
}

#[op2(fast)]
#[smi]
fn op_conductor_write_bytes(
    state: &mut OpState,
    #[smi] stream: u32,
    #[buffer] bytes: &[u8],
) -> u32 {
    host(state).write(stream, bytes);
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[op2(fast)]
fn op_conductor_exit(state: &mut OpState, #[smi] code: i32) {
    host(state).exit(code);
}

#[op2(fast)]
fn op_conductor_exceeded(state: &mut OpState, #[string] limit: &str) {
    host(state).exceeded(limit);
}

#[op2(fast)]
#[smi]
fn op_conductor_pid() -> u32 {
    std::process::id()
}

#[op2(fast)]
#[smi]
fn op_conductor_cpus(state: &mut OpState) -> u32 {
    host(state).cpus()
}

deno_core::extension!(
    conductor,
    deps = [deno_webidl, deno_web, deno_crypto],
    ops = [
        op_conductor_call,
        op_conductor_call_sync,
        op_conductor_cpus,
        op_conductor_exceeded,
        op_conductor_exit,
        op_conductor_fetch,
        op_conductor_fetch_send,
        op_conductor_pid,
        op_conductor_place,
        op_conductor_text,
        op_conductor_text_sync,
        op_conductor_timer,
        op_conductor_write,
        op_conductor_write_bytes,
        op_utf8_to_byte_string,
    ],
    esm_entry_point = "ext:conductor/99_main.js",
    esm = [
        dir "js",
        "00_detach.js",
        "01_errors.js",
        "02_io.js",
        "02_json.js",
        "03_broker.js",
        "04_files.js",
        "05_fetch.js",
        "05_wasm.js",
        "06_command.js",
        "07_env.js",
        "08_permissions.js",
        "09_deno.js",
        "10_value.js",
        "11_globals.js",
        "12_session.js",
        "12_mcp.js",
        "13_lock.js",
        "99_main.js",
    ],
    lazy_loaded_js = [dir "js", "00_ops.js"],
    middleware = adjust_builtin,
);

/// Ops of deno_core that would let a program out of its interpreter, off even
/// if a reference to one were found: `op_panic` aborts the process, `op_print`
/// writes to a descriptor, `op_eval_context` runs code under any name,
/// `op_get_proxy_details` sees through proxies that guard objects. The ops that
/// read and write resources stay: what is in a worker's table is the broker's.
const DISABLED: &[&str] =
    &["op_panic", "op_print", "op_eval_context", "op_get_proxy_details", "op_memory_usage"];

/// Rejections that wait, for deno_core's queue of next ticks: none. deno_core's op takes
/// them in an array that calls setters of Array.prototype while Rust's list is borrowed;
/// Rust itself hands them over at the end of each turn.
///
/// The script wants undefined, and the answer of an op without one is null.
#[op2]
fn op_drain_pending_rejections<'s>(scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Value> {
    v8::undefined(scope).into()
}

fn adjust_builtin(op: OpDecl) -> OpDecl {
    match op.name {
        "op_drain_pending_rejections" => op_drain_pending_rejections(),
        "op_read_all" => op_read_all(),
        name if DISABLED.contains(&name) => op.disable(),
        _ => op,
    }
}

/// The extensions, in the order of the snapshot.
pub fn extensions() -> Vec<Extension> {
    vec![
        deno_webidl::deno_webidl::init(),
        deno_web::deno_web::init(
            Arc::new(deno_web::BlobStore::default()),
            None,
            false,
            deno_web::InMemoryBroadcastChannel::default(),
        ),
        deno_crypto::deno_crypto::init(None),
        conductor::init(),
    ]
}

/// The extensions of the snapshot that has the node: built-ins, in its order.
pub fn node_extensions() -> Vec<Extension> {
    let mut extensions = extensions();
    let conductor = extensions.pop().expect("the list above ends with it");
    extensions.push(deno_node_crypto::deno_node_crypto::init());
    extensions.extend([conductor, node::conductor_node::init()]);
    extensions
}
