//! What the import of a package adds to a run over stdio, beside what it adds to `deno run`
//! with a warm cache when CONDUCTOR_BENCH_DENO names one.
//!
//! The store is MCP_CONDUCTOR_INSTALL_DIR, with all of [`CASES`] in it; without that variable
//! they are installed first, below the target directory, by `mcp-conductor install`, which
//! needs its installer beside it (`make installer`) and a registry.
//!
//! Samples of all kinds alternate, so that noise of the machine meets all alike. "adds" is the
//! difference of medians, to a program of the same server or of the same `deno` without an
//! import. A bound that is missed is marked and fails the bench.

#[path = "../common/mod.rs"]
mod common;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::stdio::Server;
use common::{PEER_VARIABLE, percentile};
use serde_json::{Value, json};

const INSTALL_DIR: &str = "MCP_CONDUCTOR_INSTALL_DIR";
const ALLOWED: &str = "MCP_CONDUCTOR_ALLOWED_PACKAGES";

const PACKAGES: &str = "npm:zod@^4,npm:lodash@^4,npm:date-fns@^4,npm:openai@^6,npm:rxjs@^7,\
                        npm:stripe@^23,npm:cheerio@^1,npm:axios@^1,npm:typescript@^5";

/// Samples of each program: a noisy machine needs some dozens for a median.
const SAMPLES: usize = 60;

/// Before each of ours: a standby worker that was used is replaced within 10 ms.
const PAUSE: Duration = Duration::from_millis(15);

/// Without an import, what the others are compared with.
const BARE: Case = Case { name: "no import", program: "40 + 2", value: "42", bound: None };

struct Case {
    name: &'static str,
    program: &'static str,
    /// As JSON.
    value: &'static str,
    /// Milliseconds that it may add, where issue 14 names them.
    bound: Option<f64>,
}

const CASES: [Case; 10] = [
    Case {
        name: "zod 4",
        program: "import { z } from 'npm:zod@^4';\nz.object({ a: z.number() }).parse({ a: 1 }).a",
        value: "1",
        bound: Some(14.0),
    },
    Case {
        name: "zod 3",
        program: "import { z } from 'npm:zod@^4/v3';\nz.object({ a: z.number() }).parse({ a: 1 }).a",
        value: "1",
        bound: Some(5.0),
    },
    Case {
        name: "lodash",
        program: "import _ from 'npm:lodash@^4';\n_.chunk([1, 2, 3], 2).length",
        value: "2",
        bound: None,
    },
    Case {
        name: "date-fns",
        program: "import { addDays } from 'npm:date-fns@^4';\naddDays(new Date(0), 1).getTime()",
        value: "86400000",
        bound: Some(5.0),
    },
    Case {
        name: "openai",
        program: "import OpenAI from 'npm:openai@^6';\ntypeof new OpenAI({ apiKey: 'x' }).chat",
        value: "\"object\"",
        bound: Some(5.0),
    },
    Case {
        name: "rxjs",
        program: "import { lastValueFrom, map, of } from 'npm:rxjs@^7';\n\
                  await lastValueFrom(of(1).pipe(map((n) => n + 1)))",
        value: "2",
        bound: None,
    },
    Case {
        name: "stripe",
        program: "import Stripe from 'npm:stripe@^23';\ntypeof new Stripe('sk_test_x').customers",
        value: "\"object\"",
        bound: Some(5.0),
    },
    Case {
        name: "cheerio",
        program: "import * as cheerio from 'npm:cheerio@^1';\ncheerio.load('<p>a</p>')('p').text()",
        value: "\"a\"",
        bound: Some(45.0),
    },
    Case {
        name: "axios",
        program: "import axios from 'npm:axios@^1';\ntypeof axios.get",
        value: "\"function\"",
        bound: Some(15.0),
    },
    Case {
        name: "typescript",
        program: "import ts from 'npm:typescript@^5';\ntypeof ts.transpile",
        value: "\"function\"",
        bound: None,
    },
];

/// Of what it adds to `deno run`, what an import may add here.
const OF_DENO: f64 = 0.5;

fn main() {
    // cargo test starts benches that have no harness too, to see that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let store = std::env::var_os(INSTALL_DIR).map_or_else(install, PathBuf::from);
    let mut server = Server::start(conductor(&store));
    let deno = std::env::var_os(PEER_VARIABLE).map(|deno| Deno::new(deno.into()));
    let cases: Vec<&Case> = std::iter::once(&BARE).chain(&CASES).collect();
    let mut ours = vec![Vec::new(); cases.len()];
    let mut theirs = ours.clone();
    for round in 0..=SAMPLES {
        for (at, case) in cases.iter().enumerate() {
            std::thread::sleep(PAUSE);
            let sample = checked(&mut server, case);
            // The first loads what the others find loaded.
            if round == 0 {
                continue;
            }
            ours[at].push(sample);
            if let Some(deno) = &deno {
                theirs[at].push(deno.run(case));
            }
        }
    }
    let missed = report(&cases, &mut ours, &mut theirs);
    assert_eq!(missed, 0, "bounds are missed");
}

/// Prints a line for each case; how many missed a bound.
fn report(cases: &[&Case], ours: &mut [Vec<Duration>], theirs: &mut [Vec<Duration>]) -> usize {
    let millis = |samples: &mut Vec<Duration>| percentile(samples, 0.5).as_secs_f64() * 1e3;
    let has_deno = !theirs[0].is_empty();
    let base = (millis(&mut ours[0]), if has_deno { millis(&mut theirs[0]) } else { 0.0 });
    println!("packages {:<10} {:>8.2} ms{}", BARE.name, base.0, beside(has_deno, base.1));
    let mut missed = 0;
    for (at, case) in cases.iter().enumerate().skip(1) {
        let adds = millis(&mut ours[at]) - base.0;
        let deno_adds = if has_deno { millis(&mut theirs[at]) - base.1 } else { f64::INFINITY };
        let is_slow = case.bound.is_some_and(|bound| adds > bound) || adds > deno_adds * OF_DENO;
        missed += usize::from(is_slow);
        println!(
            "packages {:<10} adds {adds:>8.2} ms{}{}{}",
            case.name,
            case.bound.map_or(String::new(), |bound| format!("  (at most {bound})")),
            beside(has_deno, deno_adds),
            if is_slow { "  MISSED" } else { "" }
        );
    }
    missed
}

fn beside(has_deno: bool, millis: f64) -> String {
    if has_deno { format!("  deno run {millis:>8.2} ms") } else { String::new() }
}

fn checked(server: &mut Server, case: &Case) -> Duration {
    let (value, taken) = server.run(case.program);
    assert_eq!(value.to_string(), case.value, "{}", case.name);
    taken
}

/// The program, with the packages allowed and nothing else set.
fn conductor(store: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-conductor"));
    let set = |name: &str, value: &OsStr| (OsString::from(name), value.to_owned());
    command.env_clear().envs([
        set("HOME", env!("CARGO_TARGET_TMPDIR").as_ref()),
        set("PATH", &std::env::var_os("PATH").unwrap_or_default()),
        set("RUST_LOG", "off".as_ref()),
        set("MCP_CONDUCTOR_STANDBY", "2".as_ref()),
        set("MCP_CONDUCTOR_WORKSPACE", concat!(env!("CARGO_TARGET_TMPDIR"), "/workspace").as_ref()),
        set(ALLOWED, PACKAGES.as_ref()),
        set(INSTALL_DIR, store.as_os_str()),
    ]);
    command
}

/// Installs the packages below the target directory; what is there already stays.
fn install() -> PathBuf {
    let store = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/packages"));
    let mut command = conductor(&store);
    let status = command.arg("install").stdin(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "the packages cannot be installed: {status}");
    store
}

/// `deno run` of the same programs, as whole processes, with everything in its cache.
struct Deno {
    deno: PathBuf,
    directory: PathBuf,
}

impl Deno {
    /// Fills its cache.
    fn new(deno: PathBuf) -> Self {
        let directory = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/deno-packages"));
        std::fs::create_dir_all(&directory).expect("the target directory is writable");
        let deno = Self { deno, directory };
        for case in std::iter::once(&BARE).chain(&CASES) {
            std::fs::write(deno.file(case), printing(case)).expect("it is writable");
            let status = deno.command("cache").arg(deno.file(case)).status();
            assert!(status.is_ok_and(|status| status.success()), "deno cache {}", case.name);
        }
        deno
    }

    fn file(&self, case: &Case) -> PathBuf {
        self.directory.join(format!("{}.ts", case.name.replace(' ', "-")))
    }

    fn command(&self, command: &str) -> Command {
        let mut deno = Command::new(&self.deno);
        deno.arg(command).args(["--no-config", "--no-lock"]);
        deno.env("DENO_DIR", self.directory.join("cache"));
        deno.env("NO_COLOR", "1").env("DENO_NO_UPDATE_CHECK", "1");
        deno.current_dir(&self.directory).stdin(Stdio::null()).stderr(Stdio::null());
        deno
    }

    /// One run, checked.
    fn run(&self, case: &Case) -> Duration {
        let start = Instant::now();
        let mut command = self.command("run");
        let output = command.args(["--cached-only", "-A"]).arg(self.file(case)).output();
        let taken = start.elapsed();
        let output = output.expect("deno starts").stdout;
        let value: Value = serde_json::from_slice(&output).unwrap_or(json!(null));
        assert_eq!(value.to_string(), case.value, "deno, {}", case.name);
        taken
    }
}

/// A program that prints its value as JSON.
fn printing(case: &Case) -> String {
    let (imports, value) = case.program.rsplit_once('\n').unwrap_or(("", case.program));
    format!("{imports}\nconsole.log(JSON.stringify({value}))\n")
}
