//! Privileged operations: from JavaScript to the broker and back.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::{OpState, ToJsBuffer, op2, v8};
use serde::Serialize;

use super::error::CallError;
use super::resource::RemoteHandle;
use super::{Host, host};
use crate::protocol::{Answer, Child, DirEntry, Exit, Operation, Output, PermissionState, Stat};

/// An answer as JavaScript gets it.
#[derive(Serialize)]
#[serde(untagged)]
pub enum JsAnswer {
    Nothing(Option<()>),
    Number(u64),
    Text(String),
    Bytes(ToJsBuffer),
    Stat(Box<Stat>),
    Entries(Vec<DirEntry>),
    Variables(Vec<(String, String)>),
    Child(JsChild),
    Exit(Exit),
    Output(JsOutput),
    Permission(PermissionState),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsChild {
    rid: u32,
    pid: u32,
    stdin_rid: Option<u32>,
    stdout_rid: Option<u32>,
    stderr_rid: Option<u32>,
}

#[derive(Serialize)]
pub struct JsOutput {
    status: Exit,
    stdout: Option<ToJsBuffer>,
    stderr: Option<ToJsBuffer>,
}

impl JsAnswer {
    fn new(state: &mut OpState, answer: Answer) -> Self {
        match answer {
            Answer::Done | Answer::MaybeText(None) => Self::Nothing(None),
            Answer::Handle(handle) => Self::Number(RemoteHandle::add(state, handle).into()),
            Answer::Count(count) => Self::Number(count),
            Answer::Text(text) | Answer::MaybeText(Some(text)) => Self::Text(text),
            Answer::Bytes(bytes) => Self::Bytes(bytes.into_vec().into()),
            Answer::Stat(stat) => Self::Stat(stat),
            Answer::Entries(entries) => Self::Entries(entries),
            Answer::Variables(variables) => Self::Variables(variables),
            // Of a fetch, which has an op of its own.
            Answer::Response(response) => Self::Number(response.status.into()),
            Answer::Child(Child { handle, pid, stdin, stdout, stderr }) => {
                let mut add = |handle| RemoteHandle::add(state, handle);
                Self::Child(JsChild {
                    rid: add(handle),
                    pid,
                    stdin_rid: stdin.map(&mut add),
                    stdout_rid: stdout.map(&mut add),
                    stderr_rid: stderr.map(&mut add),
                })
            }
            Answer::Exit(exit) => Self::Exit(exit),
            Answer::Output(output) => {
                let Output { exit, stdout, stderr } = *output;
                Self::Output(JsOutput {
                    status: exit,
                    stdout: stdout.map(|bytes| bytes.into_vec().into()),
                    stderr: stderr.map(|bytes| bytes.into_vec().into()),
                })
            }
            Answer::Permission(state) => Self::Permission(state),
            // Of imports, which have no op.
            Answer::Module(module) => Self::Text(module.source),
            Answer::Package { file } => Self::Text(file),
            Answer::ImportMap { .. } => Self::Nothing(None),
        }
    }
}

/// JavaScript has numbers of resources, the broker has handles.
fn resolve(state: &OpState, operation: &mut Operation) -> Result<(), CallError> {
    let Some(handle) = operation.handle_mut() else { return Ok(()) };
    let resource = state.resource_table.get::<RemoteHandle>(*handle);
    *handle = resource.map_err(|_| CallError::new("BadResource", "Bad resource ID"))?.handle();
    Ok(())
}

#[op2]
#[serde]
pub(super) fn op_conductor_call_sync(
    state: &mut OpState,
    #[serde] mut operation: Operation,
) -> Result<JsAnswer, CallError> {
    resolve(state, &mut operation)?;
    let answer = host(state).call_sync(operation)?;
    Ok(JsAnswer::new(state, answer))
}

#[op2]
#[serde]
pub(super) async fn op_conductor_call(
    state: Rc<RefCell<OpState>>,
    #[serde] mut operation: Operation,
) -> Result<JsAnswer, CallError> {
    let call = {
        let state = state.borrow();
        resolve(&state, &mut operation)?;
        host(&state).call(operation)
    };
    let answer = call.await?;
    Ok(JsAnswer::new(&mut state.borrow_mut(), answer))
}

/// The text of a file, decoded as Deno does: what is no UTF-8 becomes U+FFFD.
#[op2]
#[string]
pub(super) fn op_conductor_text_sync(
    state: &mut OpState,
    #[string] path: String,
) -> Result<String, CallError> {
    host(state).call_sync(Operation::read_file(path)).map(text)
}

#[op2]
#[string]
pub(super) async fn op_conductor_text(
    state: Rc<RefCell<OpState>>,
    #[string] path: String,
) -> Result<String, CallError> {
    let call = host(&state.borrow()).call(Operation::read_file(path));
    call.await.map(text)
}

fn text(answer: Answer) -> String {
    let Answer::Bytes(bytes) = answer else { return String::new() };
    let bytes = bytes.into_vec();
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Our own scripts on the stack above the program's code: six in a fetch.
const MAX_FRAMES: usize = 12;

/// Notes where the program is, for the audit log, if the next call is refused.
#[op2(nofast)]
pub(super) fn op_conductor_place<'s>(scope: &mut v8::PinScope<'s, '_>, state: &mut OpState) {
    host(state).place(program_place(scope, MAX_FRAMES));
}

/// Only the script that starts timers is on the stack above the program's code.
const TIMER_FRAMES: usize = 2;

/// Notes where the program started a timer, for its author, if it is left behind.
#[op2(nofast)]
pub(super) fn op_conductor_timer<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] id: u32,
) {
    let host: Rc<dyn Host> = host(state);
    if host.follows_timers()
        && let Some(place) = program_place(scope, TIMER_FRAMES)
    {
        host.timer(id, place);
    }
}

/// Script, line and column of the program's own code, below the scripts of the snapshot
/// and the modules that the server makes of other servers' tools.
fn program_place(
    scope: &mut v8::PinScope<'_, '_>,
    max_frames: usize,
) -> Option<(String, u32, u32)> {
    let trace = v8::StackTrace::current_stack_trace(scope, max_frames)?;
    (0..trace.get_frame_count()).find_map(|index| {
        let frame = trace.get_frame(scope, index)?;
        let name = frame.get_script_name(scope)?.to_rust_string_lossy(scope);
        let place = (frame.get_line_number() as u32, frame.get_column() as u32);
        let is_ours = ["ext:", "node:", "mcp:"].iter().any(|scheme| name.starts_with(scheme));
        (!is_ours).then_some((name, place.0, place.1))
    })
}
