//! The compiler in its isolate: scripts in, one function called.

use deno_core::v8;

use crate::engines::v8::tell_of_full_heap;

/// The global that the scripts define.
const CHECKER: &str = "conductorChecker";

/// A compiler that can check programs.
pub(super) struct Compiler {
    isolate: v8::OwnedIsolate,
    context: v8::Global<v8::Context>,
}

/// A call that did not return.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// By the stop signal.
    #[error("it was stopped")]
    Terminated,
    /// What was thrown, in V8's words.
    #[error("{0}")]
    Thrown(String),
}

impl Compiler {
    /// An isolate with so many bytes of heap at most, without scripts.
    pub(super) fn new(max_heap: usize) -> Self {
        let params = v8::CreateParams::default().heap_limits(0, max_heap);
        let mut isolate = v8::Isolate::new(params);
        tell_of_full_heap(&mut isolate);
        let context = {
            v8::scope!(let scope, &mut isolate);
            let context = v8::Context::new(scope, v8::ContextOptions::default());
            v8::Global::new(scope, context)
        };
        Self { isolate, context }
    }

    /// What ends it from outside.
    pub(super) fn handle(&self) -> v8::IsolateHandle {
        self.isolate.thread_safe_handle()
    }

    /// Frees what is not used any more.
    pub(super) fn collect(&mut self) {
        self.isolate.low_memory_notification();
    }

    /// Runs a script of our own, or the compiler.
    ///
    /// # Errors
    /// It throws.
    pub(super) fn run(&mut self, name: &str, source: &str) -> Result<(), CallError> {
        self.entered(|scope| {
            let name = v8::String::new(scope, name)?;
            let origin = origin(scope, name);
            let source = v8::String::new(scope, source)?;
            v8::Script::compile(scope, source, Some(&origin))?.run(scope).map(drop)
        })
    }

    /// `conductorChecker.begin(files)`: answers what is missing, or nothing.
    ///
    /// # Errors
    /// It throws.
    pub(super) fn begin(&mut self, files: &str) -> Result<String, CallError> {
        self.call("begin", files)
    }

    /// `conductorChecker.check(request)`
    ///
    /// # Errors
    /// It throws, or is stopped.
    pub(super) fn check(&mut self, request: &str) -> Result<String, CallError> {
        self.call("check", request)
    }

    fn call(&mut self, method: &str, argument: &str) -> Result<String, CallError> {
        self.entered(|scope| {
            let argument = v8::String::new(scope, argument)?.into();
            Some(call(scope, method, argument)?.to_rust_string_lossy(scope))
        })
    }

    /// `conductorChecker.warmUp(count)`: checks so many programs more of the corpus. Whether there
    /// are more.
    ///
    /// # Errors
    /// It throws.
    pub(super) fn warm_up(&mut self, count: u32) -> Result<bool, CallError> {
        self.entered(|scope| {
            let count = v8::Integer::new_from_unsigned(scope, count).into();
            call(scope, "warmUp", count).map(|more| more.is_true())
        })
    }

    fn entered<T>(
        &mut self,
        call: impl for<'s, 'i> FnOnce(&mut v8::PinScope<'s, 'i>) -> Option<T>,
    ) -> Result<T, CallError> {
        let Self { isolate, context } = self;
        v8::scope!(let scope, isolate);
        let context = v8::Local::new(scope, &*context);
        let scope = &mut v8::ContextScope::new(scope, context);
        v8::tc_scope!(let scope, scope);
        match call(scope) {
            Some(value) => Ok(value),
            None if scope.has_terminated() => Err(CallError::Terminated),
            None => {
                let message = scope.message();
                let text = message.map(|message| message.get(scope).to_rust_string_lossy(scope));
                Err(CallError::Thrown(text.unwrap_or_else(|| "nothing was thrown".to_owned())))
            }
        }
    }
}

fn origin<'s>(
    scope: &v8::PinScope<'s, '_>,
    name: v8::Local<'s, v8::String>,
) -> v8::ScriptOrigin<'s> {
    let (is_opaque, is_wasm, is_module) = (false, false, false);
    v8::ScriptOrigin::new(
        scope,
        name.into(),
        0,
        0,
        false,
        0,
        None,
        is_opaque,
        is_wasm,
        is_module,
        None,
    )
}

/// A method of the checker.
fn call<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    method: &str,
    argument: v8::Local<'s, v8::Value>,
) -> Option<v8::Local<'s, v8::Value>> {
    let global = scope.get_current_context().global(scope);
    let checker = member(scope, global, CHECKER)?;
    let checker = v8::Local::<v8::Object>::try_from(checker).ok()?;
    let function = v8::Local::<v8::Function>::try_from(member(scope, checker, method)?).ok()?;
    function.call(scope, checker.into(), &[argument])
}

fn member<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    name: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let name = v8::String::new(scope, name)?;
    object.get(scope, name.into())
}
