//! System calls, page faults, frames and bytes of trivial runs, over stdio and through the
//! library, with standby workers and without, against what they were when this was written.
//!
//! `cargo bench --bench budget -- rows` prints the table anew. More than before is not
//! wrong by itself: it is to be known and meant.

#[path = "../../benches/budget/mod.rs"]
mod cost;

use crate::processes::alone;
use cost::trace::{Cpus, Unavailable};
use cost::{COLUMNS, Cost, Face, Measured, PROGRAMS, library};

/// Medians of runs on 2026-11-30, x86-64, Linux 6.18, on one processor, in the order of
/// [`COLUMNS`]: of the server's own calls the larger of two measurements (at 039b74b and
/// after its files had moved), since these vary by some. What is compared is the least of
/// several runs, which is at most that on any machine, as busy as it may be.
const MEASURED: &[(Face, usize, &str, Cost)] = &[
    (Face::Stdio, 2, "1+1", [77, 2, 32, 6, 10, 4, 15, 47, 235, 3, 18, 1, 369]),
    (Face::Stdio, 2, "file", [101, 4, 36, 8, 14, 6, 15, 51, 304, 4, 39, 2, 1445]),
    (Face::Stdio, 2, "tool", [94, 2, 35, 9, 14, 4, 15, 51, 308, 4, 50, 2, 510]),
    (Face::Stdio, 0, "1+1", [76, 2, 32, 6, 11, 4, 15, 47, 223, 3, 18, 1, 369]),
    (Face::Stdio, 0, "file", [98, 4, 36, 8, 14, 6, 15, 51, 294, 4, 39, 2, 1445]),
    (Face::Stdio, 0, "tool", [92, 2, 35, 9, 14, 4, 15, 51, 302, 4, 50, 2, 510]),
    (Face::Library, 2, "1+1", [80, 6, 31, 5, 11, 4, 15, 47, 234, 3, 18, 1, 369]),
    (Face::Library, 2, "file", [104, 12, 35, 6, 13, 6, 15, 51, 308, 4, 39, 2, 1445]),
    (Face::Library, 2, "tool", [100, 10, 34, 8, 15, 4, 15, 51, 309, 4, 50, 2, 510]),
    (Face::Library, 0, "1+1", [81, 6, 31, 6, 12, 4, 15, 47, 225, 3, 18, 1, 369]),
    (Face::Library, 0, "file", [104, 12, 35, 7, 15, 6, 15, 51, 301, 4, 39, 2, 1445]),
    (Face::Library, 0, "tool", [101, 10, 34, 9, 17, 4, 15, 51, 304, 4, 50, 2, 510]),
];

/// The kernel that it was measured on, by the start of its release: how many pages one fault
/// brings is a kernel's own choice, so that faults are compared on no other.
const KERNEL: &str = "6.18.";

/// Room above what was measured: a tenth, and at least one.
const ROOM: u64 = 10;

/// Columns of the server's own calls, the first. While a run lasts the server looks at it
/// every 20 ms, which on a slow machine are some calls more, whatever their number is.
const OF_THE_SERVER: usize = 6;
const LOOKS: u64 = 3;

fn bound(column: usize, measured: u64) -> u64 {
    let least = if column < OF_THE_SERVER { LOOKS } else { 1 };
    measured + (measured / ROOM).max(least)
}

/// The name of [`a_library_that_is_measured`] for the test harness, in whatever binary.
fn library_test() -> String {
    let (_, module) = module_path!().split_once("::").expect("a module of a test binary");
    format!("{module}::a_library_that_is_measured")
}

/// Started by the test below, as a process that has nothing but a `Runtime`.
#[test]
#[ignore = "a part of the_cost_of_a_run_is_within_its_budget"]
fn a_library_that_is_measured() {
    if std::env::var_os(library::STANDBY).is_some() {
        library::main();
    }
}

#[test]
fn the_cost_of_a_run_is_within_its_budget() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: what is counted was measured on x86-64 only");
        return;
    }
    let _turn = alone();
    let mut above = Vec::new();
    for face in [Face::Stdio, Face::Library] {
        for standby in [2, 0] {
            match above_budget(face, standby) {
                Ok(more) => above.extend(more),
                Err(Unavailable(reason)) => {
                    eprintln!("skipped: NOTHING WAS COUNTED, tracing is not allowed: {reason}");
                    return;
                }
            }
        }
    }
    assert!(above.is_empty(), "a run costs more than it did:\n{}", above.join("\n"));
}

/// What a server's runs had too much of.
fn above_budget(face: Face, standby: usize) -> Result<Vec<String>, Unavailable> {
    let name = library_test();
    let arguments = ["--exact", &name, "--ignored", "--nocapture"];
    let mut measured = Measured::start(face, standby, Cpus::One, &arguments)?;
    let mut above = Vec::new();
    for program in &PROGRAMS {
        let name = format!("{face:?}, {standby} standing by, {}", program.name);
        let runs = measured.runs(program);
        println!("{name}: {:?}", runs.median());
        match before(face, standby, program.name) {
            Some(before) => above.extend(columns_above(&name, runs.least(), before)),
            None => above.push(format!("{name}: no row in MEASURED for {:?}", runs.median())),
        }
    }
    Ok(above)
}

fn before(face: Face, standby: usize, program: &str) -> Option<Cost> {
    let row = MEASURED.iter().find(|row| (row.0, row.1, row.2) == (face, standby, program));
    row.map(|row| row.3)
}

fn columns_above(name: &str, cost: Cost, before: Cost) -> Vec<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut above = Vec::new();
    for (at, column) in COLUMNS.into_iter().enumerate() {
        let (cost, before) = (cost[at], before[at]);
        // Parts of the server's calls may come to be fewer by themselves; of all of them,
        // and of what the others do, less than half has not been counted.
        let least = if (1..OF_THE_SERVER).contains(&at) { 0 } else { before / 2 };
        let most = bound(at, before);
        let is_comparable = column != "faults" || release.starts_with(KERNEL);
        if is_comparable && !(least..=most).contains(&cost) {
            above.push(format!("{name}: {column} {cost}, not {least} to {most} ({before} before)"));
        }
    }
    above
}
