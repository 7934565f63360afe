//! CPython as one instance of a WebAssembly module in an isolate of its own. There is no
//! JavaScript in it but V8's own `WebAssembly.Instance`.

use std::rc::Rc;

use deno_core::v8;

use super::depth;
use super::guest::Guest;
use super::imports::{self, Exports, Host};
use super::stack;
use super::sys::with_memory;
use super::world::End;
use crate::engines::v8::tell_of_full_heap;
use crate::worker::{EXIT_INTERPRETER, EXIT_STACK};

/// An interpreter that can run Python text.
pub(super) struct Interpreter {
    isolate: v8::OwnedIsolate,
    context: v8::Global<v8::Context>,
    turn: v8::Global<v8::Function>,
    host: Rc<Host>,
}

/// Why an interpreter cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("python.wasm is not compiled by this V8: {0}")]
    Compile(String),
    #[error("python.wasm cannot be instantiated: {0}")]
    Instantiate(String),
    #[error("python.wasm does not export {0}")]
    Export(&'static str),
    #[error("python.wasm cannot start: {0}")]
    Initialize(Trap),
}

/// The guest did not return. It is not to be used again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trap {
    /// The host has ended it.
    #[error("it was ended: {0:?}")]
    Ended(End),
    /// It was terminated from outside: by the stop signal or a full heap.
    #[error("it was stopped")]
    Terminated,
    /// A trap of WebAssembly or the end of the stack: what V8 says of it.
    #[error("{0}")]
    Lost(String),
}

/// V8's words for the end of the stack (`kStackOverflow` in its messages).
const END_OF_STACK: &str = "Maximum call stack size exceeded";

/// The exit code of a worker whose guest was lost for a reason that V8 gives.
pub(super) fn exit_code(reason: &str) -> i32 {
    if reason.ends_with(END_OF_STACK) { EXIT_STACK } else { EXIT_INTERPRETER }
}

impl Interpreter {
    /// Compiles the module and starts an instance of it, which is not run yet.
    ///
    /// # Errors
    /// The module is not one of CPython for this host, or this V8 is too old for it.
    pub(super) fn new(module: &[u8], guest: Guest, max_heap: usize) -> Result<Self, StartError> {
        let params = v8::CreateParams::default().heap_limits(0, max_heap);
        let mut isolate = v8::Isolate::new(params);
        let host = Host::new(guest);
        tell_of_full_heap(&mut isolate);
        isolate.set_slot(host.clone());
        let (context, turn) = {
            v8::scope!(let scope, &mut isolate);
            let context = v8::Context::new(scope, v8::ContextOptions::default());
            let scope = &mut v8::ContextScope::new(scope, context);
            let turn = start(scope, &host, module)?;
            (v8::Global::new(scope, context), v8::Global::new(scope, turn))
        };
        Ok(Self { isolate, context, turn, host })
    }

    /// The host's side of it.
    pub(super) fn host(&self) -> &Rc<Host> {
        &self.host
    }

    /// What ends it from outside.
    pub(super) fn handle(&self) -> v8::IsolateHandle {
        self.isolate.thread_safe_handle()
    }

    /// Frees what JavaScript's side of it does not use any more: wrappers and source text.
    pub(super) fn collect(&mut self) {
        self.isolate.low_memory_notification();
    }

    /// Lets functions of C call each other deeper than CPython would; without an effect in one that
    /// is not known.
    pub(super) fn allow_depth(&mut self) -> bool {
        let Self { isolate, context, host, .. } = self;
        v8::scope!(let scope, isolate);
        let context = v8::Local::new(scope, &*context);
        let scope = &mut v8::ContextScope::new(scope, context);
        host.memory(scope).is_some_and(|memory| with_memory(memory, depth::allow))
    }

    /// Where the program stands still, as text.
    pub(super) fn stack(&mut self) -> Option<String> {
        self.read(|memory, source| stack::text(memory, source?))
    }

    /// The line of the program that runs, and stands still.
    pub(super) fn line(&mut self) -> Option<u32> {
        self.read(|memory, _| stack::line(memory))
    }

    fn read<T>(&mut self, read: impl FnOnce(&[u8], Option<&str>) -> Option<T>) -> Option<T> {
        let Self { isolate, context, host, .. } = self;
        v8::scope!(let scope, isolate);
        let context = v8::Local::new(scope, &*context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let memory = host.memory(scope)?;
        let guest = host.guest.borrow();
        with_memory(memory, |memory| read(memory, guest.source()))
    }

    /// Runs Python text in `__main__`. Answers the guest's status: 0 when nothing was raised.
    ///
    /// # Errors
    /// The guest did not return.
    pub(super) fn turn(&mut self, source: &str) -> Result<i32, Trap> {
        let Self { isolate, context, turn, host } = self;
        v8::scope!(let scope, isolate);
        let context = v8::Local::new(scope, &*context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let turn = v8::Local::new(scope, &*turn);
        guarded(scope, host, |scope| {
            // Without room for it the guest raises MemoryError.
            let start = imports::allocate(scope, host, source.len()).unwrap_or(0);
            let length = u32::try_from(source.len()).unwrap_or(0);
            if let Some(memory) = host.memory(scope).filter(|_| start != 0) {
                with_memory(memory, |memory| {
                    if let Some(room) = imports::part(memory, start.into(), length.into()) {
                        room.copy_from_slice(source.as_bytes());
                    }
                });
            }
            let arguments =
                [start, length].map(|n| v8::Integer::new_from_unsigned(scope, n).into());
            let undefined = v8::undefined(scope).into();
            turn.call(scope, undefined, &arguments)?.int32_value(scope)
        })
    }
}

/// Makes an instance and answers its `turn`.
fn start<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    host: &Rc<Host>,
    module: &[u8],
) -> Result<v8::Local<'s, v8::Function>, StartError> {
    let module = compile(scope, module)?;
    let exports = instantiate(scope, module)?;
    let memory = export::<v8::WasmMemoryObject>(scope, exports, "memory")?;
    let host_alloc = export::<v8::Function>(scope, exports, "host_alloc")?;
    let initialize = export::<v8::Function>(scope, exports, "_initialize")?;
    let turn = export::<v8::Function>(scope, exports, "turn")?;
    host.exports.replace(Some(Exports {
        memory: v8::Global::new(scope, memory),
        host_alloc: v8::Global::new(scope, host_alloc),
    }));
    guarded(scope, host, |scope| {
        let undefined = v8::undefined(scope).into();
        initialize.call(scope, undefined, &[]).map(drop)
    })
    .map_err(StartError::Initialize)?;
    Ok(turn)
}

fn compile<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    module: &[u8],
) -> Result<v8::Local<'s, v8::WasmModuleObject>, StartError> {
    v8::tc_scope!(let scope, scope);
    v8::WasmModuleObject::compile(scope, module)
        .ok_or_else(|| StartError::Compile(exception(scope)))
}

/// `new WebAssembly.Instance(module, imports).exports`
fn instantiate<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    module: v8::Local<'s, v8::WasmModuleObject>,
) -> Result<v8::Local<'s, v8::Object>, StartError> {
    v8::tc_scope!(let scope, scope);
    let exports = (|| {
        let global = scope.get_current_context().global(scope);
        let web_assembly = property(scope, global, "WebAssembly")?;
        let web_assembly = v8::Local::<v8::Object>::try_from(web_assembly).ok()?;
        let constructor = property(scope, web_assembly, "Instance")?;
        let constructor = v8::Local::<v8::Function>::try_from(constructor).ok()?;
        let imports = imports::object(scope)?;
        let instance = constructor.new_instance(scope, &[module.into(), imports.into()])?;
        v8::Local::<v8::Object>::try_from(property(scope, instance, "exports")?).ok()
    })();
    exports.ok_or_else(|| StartError::Instantiate(exception(scope)))
}

fn property<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'_, v8::Object>,
    name: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let name = v8::String::new(scope, name)?;
    object.get(scope, name.into())
}

fn export<'s, T>(
    scope: &mut v8::PinScope<'s, '_>,
    exports: v8::Local<'s, v8::Object>,
    name: &'static str,
) -> Result<v8::Local<'s, T>, StartError>
where
    v8::Local<'s, T>: TryFrom<v8::Local<'s, v8::Value>>,
{
    property(scope, exports, name)
        .and_then(|value| v8::Local::<T>::try_from(value).ok())
        .ok_or(StartError::Export(name))
}

/// Calls into the guest, and says why if it does not return.
fn guarded<'s, T>(
    scope: &mut v8::PinScope<'s, '_>,
    host: &Host,
    call: impl FnOnce(&mut v8::PinScope<'s, '_>) -> Option<T>,
) -> Result<T, Trap> {
    v8::tc_scope!(let scope, scope);
    let returned = call(scope);
    match (host.take_end(), returned) {
        (Some(end), _) => Err(Trap::Ended(end)),
        (None, Some(returned)) => Ok(returned),
        (None, None) if scope.has_terminated() => Err(Trap::Terminated),
        (None, None) => Err(Trap::Lost(exception(scope))),
    }
}

fn exception<'s>(
    scope: &mut v8::PinnedRef<'_, v8::TryCatch<'s, '_, v8::HandleScope<'_>>>,
) -> String {
    let message = scope.message().map(|message| message.get(scope).to_rust_string_lossy(scope));
    message.unwrap_or_else(|| "no exception was thrown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_stack_is_told_apart_from_a_trap() {
        let end = "Uncaught RangeError: Maximum call stack size exceeded";
        assert_eq!(exit_code(end), EXIT_STACK);
        assert_eq!(exit_code("Uncaught RuntimeError: unreachable"), EXIT_INTERPRETER);
    }
}
