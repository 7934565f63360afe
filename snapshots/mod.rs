//! What goes into the startup snapshot, declared once and compiled twice: by
//! `build.rs`, which makes the snapshot, and by the worker, which loads it. The
//! extensions must be the same and in the same order in both.
//!
//! The ops are thin: each hands its arguments to the [`Host`] that the worker
//! put into the op state. While the snapshot is made there is none.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::{Extension, OpDecl, OpState, op2};
use deno_error::JsErrorBox;

/// What an op asks of the process around the isolate.
pub trait Host {
    /// Takes text that the program printed. `stream` is 1 (stdout) or 2 (stderr).
    fn write(&self, stream: u32, bytes: &[u8]);
    /// Ends the program with an exit code; JavaScript stops soon after.
    fn exit(&self, code: i32);
    /// Ends the program because its value exceeds a limit, `size` or `depth`.
    fn exceeded(&self, limit: &str);
    /// Asks the broker for an access and waits for the answer.
    fn access_sync(&self, access: Access) -> Result<(), JsErrorBox>;
    /// Asks the broker for an access.
    fn access(&self, access: Access) -> AccessFuture;
    /// Whether the administrator granted the access, for `Deno.permissions`.
    fn granted(&self, name: &str, target: Option<&str>) -> bool;
    /// `navigator.hardwareConcurrency`.
    fn cpus(&self) -> u32;
}

/// The answer to [`Host::access`].
pub type AccessFuture = Pin<Box<dyn Future<Output = Result<(), JsErrorBox>>>>;

/// An access that a call of Deno's API needs.
pub struct Access {
    /// `read`, `write`, `net`, `env` or `run`.
    pub name: String,
    /// The path, host, variable or command; `None` asks for all of them.
    pub target: Option<String>,
    /// The call, as it stands in an error: `Deno.readFile()`.
    pub api: String,
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

#[op2]
fn op_conductor_access_sync(
    state: &mut OpState,
    #[string] name: String,
    #[string] target: Option<String>,
    #[string] api: String,
) -> Result<(), JsErrorBox> {
    host(state).access_sync(Access { name, target, api })
}

#[op2]
async fn op_conductor_access(
    state: Rc<RefCell<OpState>>,
    #[string] name: String,
    #[string] target: Option<String>,
    #[string] api: String,
) -> Result<(), JsErrorBox> {
    let answer = host(&state.borrow()).access(Access { name, target, api });
    answer.await
}

#[op2]
fn op_conductor_query(
    state: &mut OpState,
    #[string] name: &str,
    #[string] target: Option<String>,
) -> bool {
    host(state).granted(name, target.as_deref())
}

deno_core::extension!(
    conductor,
    deps = [deno_webidl, deno_web, deno_crypto],
    ops = [
        op_conductor_access,
        op_conductor_access_sync,
        op_conductor_cpus,
        op_conductor_exceeded,
        op_conductor_exit,
        op_conductor_pid,
        op_conductor_query,
        op_conductor_write,
        op_conductor_write_bytes,
    ],
    esm_entry_point = "ext:conductor/99_main.js",
    esm = [
        dir "js",
        "01_errors.js",
        "02_io.js",
        "03_broker.js",
        "04_permissions.js",
        "05_deno.js",
        "06_value.js",
        "07_globals.js",
        "99_main.js",
    ],
    middleware = disable_builtin,
);

/// Ops of deno_core that would let a program out of its interpreter, off even
/// if a reference to one were found: `op_panic` aborts the process, `op_print`
/// and the IO ops write to descriptors, `op_eval_context` runs code under any
/// name, `op_get_proxy_details` sees through proxies that guard objects.
const DISABLED: &[&str] = &[
    "op_panic",
    "op_print",
    "op_read",
    "op_read_all",
    "op_read_sync",
    "op_write",
    "op_write_all",
    "op_write_sync",
    "op_write_type_error",
    "op_shutdown",
    "op_eval_context",
    "op_get_proxy_details",
    "op_memory_usage",
];

fn disable_builtin(op: OpDecl) -> OpDecl {
    if DISABLED.contains(&op.name) { op.disable() } else { op }
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
