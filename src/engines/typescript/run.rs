//! One program: transpile, evaluate, take its value, let go on what it left behind.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use deno_core::error::CoreError;
use deno_core::{ModuleSpecifier, PollEventLoopOptions, v8};
use deno_web::StartTime;
use futures::FutureExt;

use super::errors::{self, Stage};
use super::host::{Ended, WorkerHost};
use super::isolate::Isolate;
use super::meta::{Home, MAIN};
use super::transpile::{Transpiled, transpile_program};
use super::unfinished;
use crate::engines::v8::{stop, watch_heap};
use crate::protocol::{Limit, Outcome, Program, Unfinished, WorkerMessage};
use crate::snapshots::Host;
use crate::worker::{Connection, Lost};

pub(super) struct Run<'a> {
    isolate: &'a mut Isolate,
    connection: Rc<Connection>,
    host: Rc<WorkerHost>,
    heap_full: Rc<Cell<bool>>,
    /// The server has the value: it is about what the program left behind.
    value_is_sent: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        isolate: &'a mut Isolate,
        connection: Rc<Connection>,
        host: Rc<WorkerHost>,
    ) -> Self {
        let heap_full = Rc::new(Cell::new(false));
        let (flag, over) = (heap_full.clone(), host.clone());
        watch_heap(&mut isolate.runtime, move || {
            flag.set(true);
            over.heap_is_full();
        });
        let state = isolate.runtime.op_state();
        state.borrow_mut().put::<Rc<dyn Host>>(host.clone());
        isolate.loader.set_host(host.clone());
        Self { isolate, connection, host, heap_full, value_is_sent: false }
    }

    /// Runs the program to its end, or until the server says stop.
    pub(super) async fn execute(&mut self, program: Program) -> Result<Outcome, Lost> {
        let connection = self.connection.clone();
        let host = self.host.clone();
        let outcome = tokio::select! {
            biased;
            outcome = self.drive(&program) => Some(outcome?),
            () = host.until_ended() => None,
            served = connection.serve() => served.map(|()| None)?,
        };
        Ok(self.final_outcome(outcome))
    }

    async fn drive(&mut self, program: &Program) -> Result<Outcome, Lost> {
        self.host.set_output_limits(program.max_output, program.max_flood);
        let main = ModuleSpecifier::parse(MAIN).expect("a valid URL");
        let home = Home::new(&program.workspace);
        let transpiled = transpile_program(&main, &program.source, &home, self.isolate.flavor);
        let Transpiled { code, source_map } = match transpiled {
            Ok(transpiled) => transpiled,
            Err(error) => return Ok(Outcome::Error(error)),
        };
        self.isolate.loader.add_source_map(MAIN, source_map);
        self.connection.send(&WorkerMessage::Started)?;
        let stage = Cell::new(Stage::Loading);
        let result = evaluate(self.isolate, program, &main, code, &stage).await;
        match result {
            Ok(reached) if reached.json.len() > program.max_value as usize => {
                Ok(Outcome::Exceeded { limit: Limit::ValueSize, stack: None })
            }
            Ok(reached) => self.go_on(program, reached).await,
            Err(error) => Ok(errors::outcome(&program.source, &error, stage.get())),
        }
    }

    /// Lets go on what the program left behind. If there is anything, the value is said
    /// before it: what comes of the rest, and when, does not take it back.
    async fn go_on(&mut self, program: &Program, reached: Reached) -> Result<Outcome, Lost> {
        let Reached { json, failed } = reached;
        let mut json = Some(json);
        if self.leaves_work() {
            self.send_value(&mut json)?;
        }
        let options = PollEventLoopOptions::default();
        let runtime = &mut self.isolate.runtime;
        let turn = match failed {
            Some(error) => Poll::Ready(Err(error)),
            None => poll_fn(|cx| Poll::Ready(runtime.poll_event_loop(cx, options))).await,
        };
        if matches!(turn, Poll::Ready(Ok(()))) {
            return Ok(json.map_or_else(|| Outcome::Left(Vec::new()), Outcome::Value));
        }
        self.send_value(&mut json)?;
        let rest = match turn {
            Poll::Ready(failed) => failed,
            Poll::Pending => self.isolate.runtime.run_event_loop(options).await,
        };
        Ok(match rest {
            Ok(()) => Outcome::Left(Vec::new()),
            Err(error) => errors::outcome(&program.source, &error, Stage::Running),
        })
    }

    /// Whether the next turn of the event loop runs code of the program: a timer may have
    /// expired, or an answer be there.
    fn leaves_work(&self) -> bool {
        self.connection.awaits_answers() || self.host.timers().are_left()
    }

    /// Sends the value, unless that is done.
    fn send_value(&mut self, json: &mut Option<String>) -> Result<(), Lost> {
        let Some(json) = json.take() else { return Ok(()) };
        self.connection.send(&WorkerMessage::Value(json))?;
        self.value_is_sent = true;
        Ok(())
    }

    /// What ended the run, whatever error it looked like from JavaScript.
    fn final_outcome(&mut self, outcome: Option<Outcome>) -> Outcome {
        match self.host.ended() {
            Some(Ended::Exit(code)) => return Outcome::Exit(code),
            Some(Ended::Exceeded(limit)) => return Outcome::Exceeded { limit, stack: None },
            None => {}
        }
        if self.heap_full.get() {
            return Outcome::Exceeded { limit: Limit::Memory, stack: None };
        }
        match outcome {
            Some(outcome) if !stop::requested() && !self.connection.is_stopped() => outcome,
            _ if self.value_is_sent => Outcome::Left(self.unfinished()),
            _ => Outcome::Stopped { stack: self.stopped_stack() },
        }
    }

    fn unfinished(&mut self) -> Vec<Unfinished> {
        let mapper = self.isolate.runtime.source_mapper();
        let operations = self.connection.unanswered().into_iter();
        unfinished::list(&mapper, stop::stack(), operations, self.host.timers())
    }

    fn stopped_stack(&mut self) -> Option<String> {
        let mapper = self.isolate.runtime.source_mapper();
        errors::stopped_stack(stop::stack()?, |file, line, column| {
            use deno_core::SourceMapApplication as Mapped;
            let unchanged = (file.to_owned(), line, column);
            if line == 0 || column == 0 {
                return unchanged;
            }
            match mapper.borrow_mut().apply_source_map(file, line, column) {
                Mapped::Unchanged => unchanged,
                Mapped::LineAndColumn { line_number, column_number } => {
                    (file.to_owned(), line_number, column_number)
                }
                Mapped::LineAndColumnAndFileName { file_name, line_number, column_number } => {
                    (file_name, line_number, column_number)
                }
            }
        })
    }
}

async fn evaluate(
    isolate: &mut Isolate,
    program: &Program,
    main: &ModuleSpecifier,
    code: String,
    stage: &Cell<Stage>,
) -> Result<Reached, CoreError> {
    prepare(isolate, program)?;
    let id = isolate.runtime.load_main_es_module_from_code(main, code).await?;
    stage.set(Stage::Running);
    value_of(isolate, program, id).await
}

/// A value, as JSON text.
pub(super) struct Reached {
    json: String,
    /// What was left behind has failed before the value was taken.
    failed: Option<CoreError>,
}

/// Evaluates a loaded program and awaits its value.
pub(super) async fn value_of(
    isolate: &mut Isolate,
    program: &Program,
    id: deno_core::ModuleId,
) -> Result<Reached, CoreError> {
    let options = PollEventLoopOptions::default();
    let runtime = &mut isolate.runtime;
    let evaluated = runtime.mod_evaluate(id);
    runtime.with_event_loop_promise(Box::pin(evaluated), options).await?;
    let function = main_function(runtime, id)?;
    let mut call = Box::pin(runtime.call(&function).fuse());
    match runtime.with_event_loop_promise(&mut call, options).await {
        Ok(value) => Ok(Reached { json: to_json(isolate, program, value)?, failed: None }),
        // What failed may be what was left behind: the top level is done then.
        Err(error) => match call.now_or_never() {
            Some(Ok(value)) => match to_json(isolate, program, value) {
                Ok(json) => Ok(Reached { json, failed: Some(error) }),
                Err(_) => Err(error),
            },
            _ => Err(error),
        },
    }
}

/// The clock starts now, and the caller's globals appear.
pub(super) fn prepare(isolate: &mut Isolate, program: &Program) -> Result<(), CoreError> {
    let home = Home::new(&program.workspace);
    let url = home.url().to_string();
    isolate.loader.set_home(home);
    isolate.loader.set_without_packages(program.without_packages.clone());
    let runtime = &mut isolate.runtime;
    runtime.op_state().borrow_mut().put(StartTime::default());
    deno_core::scope!(scope, runtime);
    let workspace = string(scope, &program.workspace)?;
    let globals = string(scope, &program.globals)?;
    let has_servers = v8::Boolean::new(scope, program.has_servers).into();
    let url = string(scope, &url)?;
    call(scope, &isolate.prepare, &[workspace, globals, has_servers, url]).map(drop)
}

fn to_json(
    isolate: &mut Isolate,
    program: &Program,
    value: v8::Global<v8::Value>,
) -> Result<String, CoreError> {
    let runtime = &mut isolate.runtime;
    deno_core::scope!(scope, runtime);
    let value = v8::Local::new(scope, value);
    let max_bytes = v8::Integer::new_from_unsigned(scope, program.max_value).into();
    let max_depth = v8::Integer::new_from_unsigned(scope, program.max_depth).into();
    let json = call(scope, &isolate.to_json, &[value, max_bytes, max_depth])?;
    Ok(json.to_rust_string_lossy(scope))
}

fn string<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: &str,
) -> Result<v8::Local<'s, v8::Value>, CoreError> {
    let error = || deno_error::JsErrorBox::range_error("Invalid string length");
    Ok(v8::String::new(scope, text).ok_or_else(error)?.into())
}

/// The async function that `capture` made of the program.
fn main_function(
    runtime: &mut deno_core::JsRuntime,
    id: deno_core::ModuleId,
) -> Result<v8::Global<v8::Function>, CoreError> {
    let namespace = runtime.get_module_namespace(id)?;
    deno_core::scope!(scope, runtime);
    let namespace = v8::Local::new(scope, namespace);
    let key = string(scope, "default")?;
    let function = namespace
        .get(scope, key)
        .and_then(|value| v8::Local::<v8::Function>::try_from(value).ok())
        .ok_or_else(|| deno_error::JsErrorBox::generic("the program has no body"))?;
    Ok(v8::Global::new(scope, function))
}

fn call<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    function: &v8::Global<v8::Function>,
    arguments: &[v8::Local<'s, v8::Value>],
) -> Result<v8::Local<'s, v8::Value>, CoreError> {
    v8::tc_scope!(let scope, scope);
    let receiver = v8::undefined(scope).into();
    let function = v8::Local::new(scope, function);
    match function.call(scope, receiver, arguments) {
        Some(value) => Ok(value),
        None => match scope.exception() {
            Some(exception) => {
                Err(deno_core::error::JsError::from_v8_exception(scope, exception).into())
            }
            None => Err(deno_error::JsErrorBox::generic("execution was terminated").into()),
        },
    }
}
