//! Which kind of worker runs a program: Python's, or for TypeScript one that has packages and
//! `node:` built-ins or the plain one, which is faster. Told from the words of its text, which is
//! not parsed. A word in a comment counts as well: the wrong kind of the two costs a tenth of a
//! millisecond, and only a program that mentions nothing of it is to be plain for certain.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, interval_at, timeout};

use super::{ExecuteError, Language};
use crate::config::environment::PYTHON;
use crate::pool::{Availability, Pool, PoolError, Worker};
use crate::protocol::{Kind, ServerMessage, decode, encode, frame_body};

/// How long a program waits for the engine that it needs: to compile packages beforehand takes
/// up to 5 s, and as much again on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a program waits for Python, which is loaded in 5 to 10 s, and in several times that
/// on a busy machine. MCP's SDKs wait 60 s for an answer.
const PYTHON_PATIENCE: Duration = Duration::from_secs(45);

/// How often who waits for Python is told so: a client with a limit of time between two messages
/// allows 10 s and more.
const SAYS_SO: Duration = Duration::from_secs(5);

/// As many programs as may run and wait already wait for an engine.
const LOADING_BUSY: &str = "Busy: packages and node: built-ins are being loaded, and many \
                            programs wait for them already. Try again later";
const PYTHON_LOADING_BUSY: &str = "Busy: Python is being loaded, and many programs wait for it \
                                   already. Try again in some seconds";

/// Why a program has no packages that did not wait longer.
const LOADING: &str = "packages and node: built-ins are still being loaded. Run it again in some \
                       seconds";

/// What an import of a plain program names, or begins with: what the server makes, and what
/// is refused whatever the kind. A playbook may import packages.
const PLAIN_IMPORTS: [&[u8]; 6] = [b"mcp:", b"./mcp/", b"mcp/", b"data:", b"http:", b"https:"];

/// Bytes after a word that are looked at: comments may stand between it and what it is about.
/// A text of a million words is read in time that grows with its length.
const AHEAD: usize = 1 << 10;

/// What a comment hides that does not end within [`AHEAD`]: a specifier that may be any.
const HIDDEN: &[u8] = b"\"";

/// Where a program runs.
pub(super) struct Routed {
    pub kind: Kind,
    /// Why it is the plain kind although the program seems to need the other one.
    pub without_packages: Option<String>,
}

/// The kind of worker that runs a program. Waits for an engine that has to be loaded first, in one
/// of the places of `waiting`. The program's timeout has not begun. `tell` is for the caller, who
/// waits meanwhile.
///
/// # Errors
/// All places are taken, or there is no engine of the language.
pub(super) async fn route(
    pool: &Pool,
    waiting: &Semaphore,
    (language, source): (Language, &str),
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Routed, ExecuteError> {
    match language {
        Language::TypeScript => route_typescript(pool, waiting, source).await,
        Language::Python => route_python(pool, waiting, tell).await,
    }
}

/// The kind that a program needs, or the plain one where that is not available. An import of what
/// is missing then says why.
async fn route_typescript(
    pool: &Pool,
    waiting: &Semaphore,
    source: &str,
) -> Result<Routed, ExecuteError> {
    let routed = |kind, without_packages| Ok(Routed { kind, without_packages });
    if !mentions_packages(source) {
        return routed(Kind::TypeScript, None);
    }
    let availability = match pool.availability(Kind::Packages) {
        Availability::Available => Some(Availability::Available),
        Availability::NotLoaded | Availability::NotAvailable(_) => {
            let _place = place(waiting, LOADING_BUSY)?;
            timeout(PATIENCE, pool.load(Kind::Packages)).await.ok()
        }
    };
    match availability {
        Some(Availability::Available | Availability::NotLoaded) => routed(Kind::Packages, None),
        Some(Availability::NotAvailable(error)) => {
            routed(Kind::TypeScript, Some(not_available(&error)))
        }
        None => routed(Kind::TypeScript, Some(LOADING.to_owned())),
    }
}

async fn route_python(
    pool: &Pool,
    waiting: &Semaphore,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Routed, ExecuteError> {
    let routed = Ok(Routed { kind: Kind::Python, without_packages: None });
    if pool.has_usable_zygote(Kind::Python) {
        return routed;
    }
    // Also for a zygote that is started again: a slot would be held meanwhile.
    let _place = place(waiting, PYTHON_LOADING_BUSY)?;
    let ready = telling(pool.ready(Kind::Python), tell);
    match timeout(PYTHON_PATIENCE, ready).await {
        Ok(Ok(())) => routed,
        Ok(Err(error)) => {
            let problem = format!("Python is not available on this server: {}", error.in_short());
            Err(ExecuteError::Unavailable(problem))
        }
        Err(_) => Err(ExecuteError::Unavailable(python_is_late())),
    }
}

/// Waits for Python, and says so at once and every [`SAYS_SO`].
async fn telling<T>(ready: impl Future<Output = T>, tell: &(dyn Fn(&str) + Sync)) -> T {
    let begun = Instant::now();
    tell(&python_is_loaded(Duration::ZERO));
    let mut ready = std::pin::pin!(ready);
    let mut due = interval_at(begun + SAYS_SO, SAYS_SO);
    loop {
        tokio::select! {
            biased;
            ready = &mut ready => return ready,
            _ = due.tick() => tell(&python_is_loaded(begun.elapsed())),
        }
    }
}

fn python_is_loaded(waited: Duration) -> String {
    let waited = match waited.as_secs() {
        0 => "which takes 5 to 10 s once".to_owned(),
        seconds => format!("{seconds} s so far"),
    };
    format!("Python is being loaded, {waited}. The timeout begins with the program")
}

fn python_is_late() -> String {
    format!(
        "Python is still being loaded after {} s, which takes 5 to 10 s on a machine that is free. \
         Run the program again in some seconds. {PYTHON}=start loads it with the server",
        PYTHON_PATIENCE.as_secs()
    )
}

/// A place to wait in.
fn place<'a>(waiting: &'a Semaphore, busy: &str) -> Result<SemaphorePermit<'a>, ExecuteError> {
    waiting.try_acquire().map_err(|_| ExecuteError::Busy(busy.to_owned()))
}

fn not_available(error: &PoolError) -> String {
    format!("packages and node: built-ins are not available on this server: {error}")
}

/// A worker of a kind, for a run that has its slot. For one with packages, whose zygote may be on
/// its way back, the plain kind is not kept waiting; of Python's a fork is all that is left.
pub(super) async fn worker(pool: &Pool, kind: Kind) -> Result<Worker, PoolError> {
    match kind {
        Kind::TypeScript => pool.acquire(kind).await,
        Kind::Packages | Kind::Python | Kind::Checker => {
            let late = |_| PoolError::Worker(format!("none is ready after {PATIENCE:?}"));
            timeout(PATIENCE, pool.acquire(kind)).await.map_err(late)?
        }
    }
}

/// A frame with a program for a worker without packages, and why it is that.
pub(super) fn without_packages(frame: &Bytes, error: &PoolError) -> Bytes {
    match decode(frame_body(frame)) {
        Ok(ServerMessage::Run(mut program)) => {
            program.without_packages = Some(not_available(error));
            encode(&ServerMessage::Run(program)).into()
        }
        // It was made here: there is no other.
        Ok(_) | Err(_) => frame.clone(),
    }
}

/// Whether a program in TypeScript needs packages or built-ins. One pass over the text, without an
/// allocation.
fn mentions_packages(source: &str) -> bool {
    let mut words = Words { text: source.as_bytes(), at: 0 };
    while let Some(word) = words.next() {
        if needs_packages(word, words.ahead()) {
            return true;
        }
    }
    false
}

fn needs_packages(word: &[u8], rest: &[u8]) -> bool {
    match word {
        b"process" | b"global" | b"require" => !is_prose(rest),
        b"Buffer" | b"setImmediate" | b"clearImmediate" | b"__dirname" | b"__filename" => true,
        b"npm" | b"jsr" | b"node" => rest.first() == Some(&b':'),
        b"module" => {
            member(rest).is_some_and(|rest| rest.starts_with(b"exports"))
                || matches!(without_blanks(rest).first(), Some(b'['))
        }
        b"exports" => {
            member(rest).is_some()
                || matches!(without_blanks(rest).first(), Some(b'[' | b',' | b')'))
        }
        b"from" => specifier(rest).is_some_and(is_of_packages),
        b"import" => is_import_of_packages(rest),
        _ => false,
    }
}

/// Words that may follow an expression on its line.
const OPERATORS: [&[u8]; 7] =
    [b"as", b"extends", b"implements", b"in", b"instanceof", b"of", b"satisfies"];

/// Whether a word is one of a sentence, as in `// process the rows`: what follows it on its
/// line is another one, and no operator. In a program nothing else has two names in a row.
fn is_prose(rest: &[u8]) -> bool {
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = &rest[blanks..];
    let length = rest.iter().position(|&byte| !is_of_word(byte)).unwrap_or(rest.len());
    let word = &rest[..length];
    let is_word = !word.is_empty() && word.iter().all(u8::is_ascii_alphabetic);
    blanks > 0 && is_word && !OPERATORS.contains(&word)
}

/// What follows `import`: a specifier, an argument, or names and `from`, which is seen for
/// itself.
fn is_import_of_packages(rest: &[u8]) -> bool {
    let rest = without_blanks(rest);
    match rest.split_first() {
        // What is no literal may be anything.
        Some((b'(', argument)) => specifier(argument).is_none_or(is_of_packages),
        _ => specifier(rest).is_some_and(is_of_packages),
    }
}

/// The text after the quote that something begins with.
fn specifier(rest: &[u8]) -> Option<&[u8]> {
    match without_blanks(rest).split_first()? {
        (b'"' | b'\'' | b'`', text) => Some(text),
        _ => None,
    }
}

/// Whether what a quoted specifier begins with is no plain import.
fn is_of_packages(text: &[u8]) -> bool {
    !PLAIN_IMPORTS.iter().any(|plain| text.starts_with(plain))
}

/// What follows a dot.
fn member(rest: &[u8]) -> Option<&[u8]> {
    let rest = without_blanks(rest);
    let rest = rest.strip_prefix(b"?").unwrap_or(rest);
    rest.strip_prefix(b".").map(without_blanks)
}

/// Without white space and comments in front.
fn without_blanks(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        let end = match text {
            [b'/', b'/', ..] => memchr::memchr2(b'\n', b'\r', text).map(|at| at + 1),
            [b'/', b'*', rest @ ..] => memchr::memmem::find(rest, b"*/").map(|at| at + 4),
            _ => return text,
        };
        match end {
            Some(end) => text = &text[end..],
            None => return HIDDEN,
        }
    }
}

/// The words of a text: letters, digits, `_`, `$`, and whatever is not ASCII.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    /// What follows the last word, as much of it as is looked at.
    fn ahead(&self) -> &'a [u8] {
        let rest = &self.text[self.at..];
        &rest[..rest.len().min(AHEAD)]
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        let before = self.text[self.at..].iter().position(|&byte| is_of_word(byte))?;
        let start = self.at + before;
        let rest = &self.text[start..];
        let length = rest.iter().position(|&byte| !is_of_word(byte)).unwrap_or(rest.len());
        self.at = start + length;
        Some(&rest[..length])
    }
}

/// Bytes of words, as a table: half the time of comparisons.
static OF_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let is_ascii = byte < 128;
        let character = byte as u8;
        table[byte] =
            !is_ascii || character.is_ascii_alphanumeric() || matches!(character, b'_' | b'$');
        byte += 1;
    }
    table
};

fn is_of_word(byte: u8) -> bool {
    OF_WORD[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::protocol::Program;

    #[test]
    fn a_program_that_mentions_packages_or_node_needs_them() {
        for source in [
            r#"import { z } from "npm:zod"; z"#,
            "import{z}from'npm:zod@^3'",
            "import x from/* why */ \n // so\n `npm:x`",
            r#"import "npm:side-effect""#,
            r#"import fs from "node:fs""#,
            r#"import fs from "fs""#,
            r#"import axios from "axios""#,
            r#"export { join } from "jsr:@std/path""#,
            r#"export * from './lib.ts'"#,
            r#"import { a } from "../a.ts""#,
            r#"import data from "/srv/data.json" with { type: "json" }"#,
            r#"import type { A } from "file:///a.ts""#,
            r#"import { f } from "playbook:mine""#,
            r#"await import("lodash")"#,
            "await import ( /* which */ `npm:${name}`)",
            "await import(`${name}`)",
            "const m = await import(name)",
            r#"import("\x6epm:x")"#,
            "import('./mcp.ts')",
            "const fs = require('fs')",
            "globalThis.process.env.HOME",
            "process.exit(1)",
            "Buffer.from('a')",
            "setImmediate(f)",
            "clearImmediate(f)",
            "global.x = 1",
            "__dirname + '/a'",
            "console.log(__filename)",
            "module.exports = 1",
            "module\n  . exports = 1",
            "module?.exports",
            "module['exports'] = 1",
            "module [\"exports\"].a = 1",
            "Object.defineProperty(exports, '__esModule', { value: true })",
            "Object.assign(exports, { a: 1 })",
            "f(exports)",
            "process",
            "process\nnext()",
            "process as any",
            "process satisfies object",
            "'env' in global && process in x",
            "for (const x of global) {}",
            "process instanceof Object",
            "process /* the rows */ .env",
            "const { env } = process // now",
            "require ('a')",
            "exports.f = 1",
            "exports ['f'] = 1",
            "eval('npm:x')",
            "ä;process",
        ] {
            assert!(mentions_packages(source), "{source}");
        }
    }

    #[test]
    fn a_program_that_mentions_nothing_of_it_is_plain() {
        for source in [
            "",
            "1 + 1",
            "const n: number = 20; n + 22",
            r#"import { search } from "mcp:github"; search()"#,
            r#"import * as s from "./mcp/shop.ts""#,
            r#"await import("mcp:shop")"#,
            r#"import "data:text/javascript,1""#,
            r#"await import("https://example.com/x.js")"#,
            r#"import x from "http://example.com/x.js""#,
            "Array.from('abc')",
            "Uint8Array.from([1])",
            "new ArrayBuffer(1)",
            "preprocess(); processed; processes; myprocess; process_; $process; éprocess",
            "required; requires; globals; globalThis.x; global_",
            "import.meta.url",
            "const module = 1; module + 1; module.x",
            "// process the rows, then require all of a global value",
            "const text = 'we process\ttext'",
            "const npm = 1, jsr = 2, node = 3; node .x",
            "const exports = 1; export const a = exports",
            "BufferSource; Buffers",
            "({ from: 1, import: 2 })",
        ] {
            assert!(!mentions_packages(source), "{source}");
        }
    }

    #[test]
    fn a_program_that_gets_no_worker_with_packages_is_told_why() {
        let program = Program {
            source: "import 'npm:zod'".into(),
            globals: "{}".into(),
            workspace: "/srv".into(),
            has_servers: false,
            max_output: 1,
            max_flood: 2,
            max_value: 3,
            max_depth: 4,
            grace: Duration::ZERO,
            without_packages: None,
            allowed_packages: Vec::new(),
        };
        let frame: Bytes = encode(&ServerMessage::Run(Box::new(program))).into();
        let frame = without_packages(&frame, &PoolError::Worker("no memory".into()));
        let Ok(ServerMessage::Run(program)) = decode(frame_body(&frame)) else {
            panic!("it is the same message");
        };
        assert_eq!(program.source, "import 'npm:zod'");
        assert_eq!(
            program.without_packages.as_deref(),
            Some(
                "packages and node: built-ins are not available on this server: No worker can be \
                 started: no memory"
            )
        );
    }

    #[tokio::test]
    async fn programs_that_wait_for_an_engine_have_a_bounded_number_of_places() {
        let pool = Pool::start(Vec::new()).await.unwrap();
        let (none, one) = (Semaphore::new(0), Semaphore::new(1));
        let typescript = Language::TypeScript;
        let busy = route(&pool, &none, (typescript, "process.pid"), &|_| {}).await;
        assert!(matches!(busy, Err(ExecuteError::Busy(_))), "no place to wait in");
        assert!(
            route(&pool, &none, (typescript, "1 + 1"), &|_| {}).await.is_ok(),
            "it waits for nothing"
        );
        let routed = route(&pool, &one, (typescript, "process.pid"), &|_| {}).await.unwrap();
        assert_eq!(routed.kind, Kind::TypeScript);
        assert!(routed.without_packages.is_some_and(|why| why.contains("There is no engine")));
        assert_eq!(one.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_program_in_python_does_without_no_engine() {
        let pool = Pool::start(Vec::new()).await.unwrap();
        let (none, one) = (Semaphore::new(0), Semaphore::new(1));
        let program = (Language::Python, "1");
        let busy = route(&pool, &none, program, &|_| panic!("it does not wait")).await;
        assert!(matches!(busy, Err(ExecuteError::Busy(_))));
        let Err(ExecuteError::Unavailable(why)) = route(&pool, &one, program, &|_| {}).await else {
            panic!("there is no engine for it");
        };
        assert!(why.starts_with("Python is not available on this server: "), "{why}");
    }

    #[tokio::test]
    async fn who_waits_for_python_is_told_so_before_it_is_there() {
        let told = Mutex::new(Vec::new());
        let (loaded, ready) = tokio::sync::oneshot::channel();
        let tell = |message: &str| told.lock().push(message.to_owned());
        let mut waits = std::pin::pin!(telling(ready, &tell));
        assert!(futures::poll!(waits.as_mut()).is_pending());
        assert!(told.lock()[0].starts_with("Python is being loaded, which takes"));
        loaded.send(7).expect("it is waited for");
        assert_eq!((waits.await, told.lock().len()), (Ok(7), 1));
    }

    #[test]
    fn the_time_that_was_waited_is_told_in_seconds() {
        let text = python_is_loaded(Duration::from_millis(10_004));
        assert!(text.starts_with("Python is being loaded, 10 s so far."), "{text}");
    }

    #[test]
    fn texts_that_end_anywhere_are_read_to_their_end() {
        let whole = "import x from /* a */ 'npm:x' // é\n await import ( `a` ) module . exports";
        for end in (0..=whole.len()).filter(|&end| whole.is_char_boundary(end)) {
            mentions_packages(&whole[..end]);
        }
        for source in ["from", "import", "module.", "module. /*", "\u{feff}", "/*", "//"] {
            assert!(!mentions_packages(source), "{source}");
        }
        for source in ["import(", "import /*", "from //"] {
            assert!(mentions_packages(source), "{source}");
        }
    }

    #[test]
    fn a_specifier_behind_a_long_comment_may_be_any() {
        let source = format!("import x from /*{}*/ 'mcp:x'", "a ".repeat(AHEAD));
        assert!(mentions_packages(&source));
    }

    /// 1 µs for a KiB, with room for a busy machine.
    #[test]
    fn the_longest_program_is_read_in_some_milliseconds() {
        let long = crate::runtime::MAX_SOURCE_BYTES;
        let ends_far = format!("from /*{}*/ 'mcp:x' ", "a".repeat(AHEAD - 20));
        for piece in ["const value = other + 1;\n", &ends_far, "from/**/(", "a b c d e f g h "] {
            let source = piece.repeat(long / piece.len());
            let start = Instant::now();
            mentions_packages(&source);
            assert!(start.elapsed().as_millis() < 500, "{piece}: {:?}", start.elapsed());
        }
    }
}
