//! What a run costs, counted with a tracer: see `benches/README.md`.
//!
//! `cargo bench --bench budget` prints the table; after `--`, `rows` prints it as the
//! source of `tests/lifecycle/budget.rs`, `calls` each system call besides, `all-cpus` counts on all
//! processors instead of one, which is how servers run but not the same each time.

#[path = "budget/mod.rs"]
mod budget;

use budget::trace::{Calls, Cpus, Unavailable, name_of};
use budget::{COLUMNS, Face, Measured, PROGRAMS, Runs, library};

/// The first argument of the process that has nothing but a `Runtime`.
const LIBRARY: &str = "library-that-is-measured";

/// How the table is printed.
struct Options {
    rows: bool,
    calls: bool,
    cpus: Cpus,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_given = |word: &str| arguments.iter().any(|argument| argument == word);
    if is_given(LIBRARY) {
        library::main();
        return;
    }
    let cpus = if is_given("all-cpus") { Cpus::All } else { Cpus::One };
    let options = Options { rows: is_given("rows"), calls: is_given("calls"), cpus };
    if let Err(Unavailable(reason)) = table(&options) {
        eprintln!("skipped: NOTHING WAS COUNTED, tracing is not allowed: {reason}");
    }
}

fn table(options: &Options) -> Result<(), Unavailable> {
    println!("| over | standby | program | {} |", COLUMNS.join(" | "));
    println!("|---|---|---|{}", "---|".repeat(COLUMNS.len()));
    for face in [Face::Stdio, Face::Library] {
        for standby in [2, 0] {
            let mut measured = Measured::start(face, standby, options.cpus, &[LIBRARY])?;
            for program in &PROGRAMS {
                let runs = measured.runs(program);
                print(options, face, standby, program.name, &runs);
            }
        }
    }
    Ok(())
}

fn print(options: &Options, face: Face, standby: usize, program: &str, runs: &Runs) {
    let cells = runs.median().map(|value| value.to_string());
    if options.rows {
        println!("    (Face::{face:?}, {standby}, \"{program}\", [{}]),", cells.join(", "));
    } else {
        println!("| {face:?} | {standby} | `{program}` | {} |", cells.join(" | "));
    }
    if options.calls {
        println!("  server: {}", by_name(&runs.server));
        println!("  worker: {}", by_name(&runs.worker));
    }
}

fn by_name(calls: &Calls) -> String {
    let mut calls: Vec<(u64, String)> =
        calls.by_number().map(|(number, count)| (count, name_of(number))).collect();
    calls.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let calls: Vec<String> =
        calls.into_iter().map(|(count, name)| format!("{name} {count}")).collect();
    calls.join(", ")
}
