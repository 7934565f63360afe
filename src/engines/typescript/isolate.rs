//! The isolate that a program will use: made from the startup snapshot, and never given
//! a program that it would survive.

use std::io;
use std::rc::Rc;

use deno_core::{JsRuntime, RuntimeOptions, v8};

use super::errors::{ScriptName, prepare_stack_trace};
use super::flavor::Flavor;
use super::loader::{Loader, SharedLoader};
use super::packages::Packages;
use crate::engines::v8::guard;

/// What Deno this runtime is like, for `Deno.version` and the user agent.
const DENO_VERSION: &str = "2.9.8";
const TYPESCRIPT_VERSION: &str = "6.0.3";

/// An isolate with the functions of `js/99_main.js` that the worker calls.
pub(super) struct Isolate {
    pub runtime: JsRuntime,
    pub flavor: Flavor,
    pub loader: Rc<Loader>,
    pub prepare: v8::Global<v8::Function>,
    pub to_json: v8::Global<v8::Function>,
}

impl Isolate {
    /// Makes an isolate that can import these packages. The caller has entered a tokio
    /// runtime.
    ///
    /// # Errors
    /// The snapshot cannot be decompressed.
    pub(super) fn new(max_memory: u64, flavor: Flavor, packages: Rc<Packages>) -> io::Result<Self> {
        let max_heap = usize::try_from(max_memory).unwrap_or(usize::MAX);
        let loader = Rc::new(Loader::default());
        loader.set_packages(packages);
        loader.set_builtins(flavor == Flavor::Node);
        let mut runtime = JsRuntime::new(RuntimeOptions {
            module_loader: Some(Rc::new(SharedLoader(loader.clone()))),
            extensions: flavor.extensions(),
            startup_snapshot: Some(flavor.snapshot()?),
            // structuredClone and message ports hand buffers over through it.
            shared_array_buffer_store: Some(deno_core::SharedArrayBufferStore::default()),
            compiled_wasm_module_store: Some(deno_core::CompiledWasmModuleStore::default()),
            create_params: Some(v8::CreateParams::default().heap_limits(0, max_heap)),
            ..Default::default()
        });
        let script_name = keep_script_name(&mut runtime);
        guard(&mut runtime);
        let isolate = runtime.v8_isolate();
        isolate.set_slot(ScriptName(script_name));
        isolate.set_prepare_stack_trace_callback(prepare_stack_trace);
        let [start, prepare, to_json] = take_functions(&mut runtime);
        call_start(&mut runtime, &start);
        Ok(Self { runtime, flavor, loader, prepare, to_json })
    }

    /// What ends JavaScript from outside of it.
    pub(super) fn handle(&mut self) -> v8::IsolateHandle {
        self.runtime.v8_isolate().thread_safe_handle()
    }
}

/// `CallSite.prototype.getScriptNameOrSourceURL` before any program can reach it.
fn keep_script_name(runtime: &mut JsRuntime) -> v8::Global<v8::Function> {
    const SOURCE: &str = "{
        const before = Error.prepareStackTrace;
        Error.prepareStackTrace = (_, sites) => sites;
        const [site] = new Error().stack;
        if (before === undefined) delete Error.prepareStackTrace;
        else Error.prepareStackTrace = before;
        site.getScriptNameOrSourceURL;
    }";
    deno_core::scope!(scope, runtime);
    scope.set_prepare_stack_trace_callback(
        deno_core::error::prepare_stack_trace_callback_with_original_callsites,
    );
    let source = v8::String::new(scope, SOURCE).expect("a short string");
    let function = v8::Script::compile(scope, source, None)
        .and_then(|script| script.run(scope))
        .and_then(|value| v8::Local::<v8::Function>::try_from(value).ok())
        .expect("V8 has call sites");
    v8::Global::new(scope, function)
}

/// The functions that the snapshot left for the worker.
fn take_functions(runtime: &mut JsRuntime) -> [v8::Global<v8::Function>; 3] {
    deno_core::scope!(scope, runtime);
    let global = scope.get_current_context().global(scope);
    let get = |scope: &mut v8::PinScope<'_, '_>, object: v8::Local<v8::Object>, name: &str| {
        let key = v8::String::new(scope, name).expect("a short string");
        let value = object.get(scope, key.into()).expect("js/99_main.js defines it");
        v8::Global::new(scope, value)
    };
    let functions = get(scope, global, "__conductor");
    let functions = v8::Local::new(scope, functions);
    let functions = v8::Local::<v8::Object>::try_from(functions).expect("js/99_main.js defines it");
    ["start", "prepare", "toJson"].map(|name| {
        let value = get(scope, functions, name);
        let value = v8::Local::new(scope, value);
        let function = v8::Local::<v8::Function>::try_from(value).expect("a function");
        v8::Global::new(scope, function)
    })
}

fn call_start(runtime: &mut JsRuntime, start: &v8::Global<v8::Function>) {
    deno_core::scope!(scope, runtime);
    let versions = serde_json::json!({
        "deno": DENO_VERSION,
        "v8": v8::VERSION_STRING,
        "typescript": TYPESCRIPT_VERSION,
    });
    let versions = deno_core::serde_v8::to_v8(scope, versions).expect("plain data");
    let target = v8::String::new(scope, env!("CONDUCTOR_TARGET")).expect("a short string");
    let undefined = v8::undefined(scope).into();
    v8::Local::new(scope, start)
        .call(scope, undefined, &[versions, target.into()])
        .expect("js/99_main.js does not throw");
}
