//! What is run before any program is there.

use std::time::Duration;

use deno_core::error::CoreError;
use deno_core::{ModuleSpecifier, PollEventLoopOptions, v8};

use super::isolate::Isolate;
use super::loader;
use super::meta::Home;
use super::run::{prepare, value_of};
use super::transpile::transpile_program;
use crate::protocol::Program;

/// A program of our own that takes the way of every program, in the zygote:
/// what V8 and the transpiler set up on first use, they set up before the fork.
/// It touches no source of randomness.
const WARM_UP: &str = "\
interface Row { name: string; n: number }
enum Kind { A, B }
class Sum<T extends Row> {
  #rows: T[] = [];
  add(row: T) { this.#rows.push(row); return this; }
  get total(): number { return this.#rows.reduce((sum, { n }) => sum + n, 0); }
}
const sum = new Sum<Row>().add({ name: `a${Kind.B}`, n: 1 }).add({ name: 'b', n: 2 });
const later = await Promise.all([1, 2].map(async (n) => n * sum.total));
const text = JSON.stringify({ later, map: Object.fromEntries(new Map([['a', 1]])) });
if (text.length > 5) { ({ text, later, total: sum.total, kind: Kind[0] as string }) }
";

/// Runs [`WARM_UP`].
pub(super) async fn warm_up(isolate: &mut Isolate) -> Result<(), CoreError> {
    let specifier = ModuleSpecifier::parse(loader::WARM_UP).expect("a valid URL");
    let program = Program {
        source: WARM_UP.to_owned(),
        // None: a global would stay, and every program see it.
        globals: "{}".to_owned(),
        workspace: "/".to_owned(),
        // Likewise: `mcpFactory` would stay.
        has_servers: false,
        max_output: 0,
        max_flood: 0,
        max_value: 1000,
        max_depth: 10,
        grace: Duration::ZERO,
        without_packages: None,
        allowed_packages: Vec::new(),
    };
    let home = Home::new(&program.workspace);
    let transpiled = transpile_program(&specifier, &program.source, &home, isolate.flavor)
        .map_err(|error| deno_error::JsErrorBox::generic(error.message))?;
    prepare(isolate, &program)?;
    isolate.loader.set_warming_up(true);
    let id = isolate.runtime.load_side_es_module_from_code(&specifier, transpiled.code).await?;
    isolate.loader.set_warming_up(false);
    value_of(isolate, &program, id).await?;
    isolate.runtime.run_event_loop(PollEventLoopOptions::default()).await
}

/// Does what every run does first, so that the pages which that writes are this
/// process's own before its program arrives: 1 ms that nobody waits for.
pub(super) fn touch(isolate: &mut Isolate) {
    let specifier = ModuleSpecifier::parse(loader::WARM_UP).expect("a valid URL");
    let home = Home::new("/");
    let Ok(transpiled) = transpile_program(&specifier, WARM_UP, &home, isolate.flavor) else {
        return;
    };
    let runtime = &mut isolate.runtime;
    deno_core::scope!(scope, runtime);
    let Some(code) = v8::String::new(scope, &transpiled.code) else { return };
    let name = code.into();
    let origin = v8::ScriptOrigin::new(scope, name, 0, 0, false, 0, None, false, false, true, None);
    let mut source = v8::script_compiler::Source::new(code, Some(&origin));
    // Compiled, not run: the module goes with the next collection.
    let _ = v8::script_compiler::compile_module(scope, &mut source);
}
