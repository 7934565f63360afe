//! Paths that are none, files that are none, and a name that means something
//! else at every moment.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_conductor::{ErrorKind, ExecuteRequest};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde_json::{Value, json};

use crate::{Host, WORKSPACE};

#[test]
fn what_is_no_path_is_a_clear_error() {
    Host::of_the_workspace().gives(
        r#"
        const start = (said: string) => said.split(": ").slice(0, 2).join(": ").split(" [")[0];
        const long = "a/".repeat(2500) + "b";
        return [
          (await both("readTextFile", long)).includes("File name too long (os error 36)"),
          (await both("mkdir", long, { recursive: true })).includes("too long"),
          start(await both("readTextFile", "n".repeat(300))),
          start(await both("readTextFile", "hello.txt\0")), start(await both("stat", "a\0b")),
          start(await both("writeTextFile", "hello.txt\0x", "y")), start(await both("mkdir", "q\0")),
          start(await both("rename", "hello.txt", "a\0")), start(await both("symlink", "a\0", "l*")),
          await both("stat", ""), await both("readTextFile", new URL("http://x/y")),
          await both("readTextFile", new URL("file:///a%00b")).then((s) => s.split(":")[0]),
          start(await both("readTextFile", "@ROOT@/ws/%68ello.txt")),
          await both("readTextFile", new URL("file://@ROOT@/ws/%68ello.txt")),
        ];"#,
        r#"[
            true,
            true,
            "Error: File name too long (os error 36)",
            "TypeError: file name contained an unexpected NUL byte",
            "TypeError: file name contained an unexpected NUL byte",
            "TypeError: file name contained an unexpected NUL byte",
            "TypeError: file name contained an unexpected NUL byte",
            "TypeError: file name contained an unexpected NUL byte",
            "TypeError: file name contained an unexpected NUL byte",
            "NotFound: No such file or directory (os error 2): stat '' [ENOENT]",
            "TypeError: Must be a file URL",
            "TypeError",
            "NotFound: No such file or directory (os error 2)",
            "hello"
        ]"#,
    );
}

#[test]
fn only_files_and_directories_are_opened() {
    let host = Host::with_grants("allow-read,allow-write=@ROOT@/ws");
    let source = "
        const paths = ['@ROOT@/ws/fifo', '@ROOT@/outside/s.sock', '/dev/zero', '/dev/ptmx',
          '/proc/self/environ', '/proc/self/fd/0', '/dev/fd/3', '/proc/1/maps', '/sys/kernel/notes',
          '@ROOT@/ws/link_proc'];
        const opened = [];
        for (const path of paths) {
          for (const f of [Deno.readFileSync, Deno.openSync, Deno.readFile, Deno.open] as any[]) {
            try { await f(path); opened.push(path) } catch (e: any) { e.name }
          }
        }
        [opened, Deno.readTextFileSync('@ROOT@/outside/victim.txt'),
          Deno.statSync('@ROOT@/ws/fifo').isFifo]";
    assert_eq!(host.value(source), json!([[], "victim", true]));
}

#[test]
fn a_name_that_is_no_text_is_listed_with_the_others() {
    let host = Host::of_the_workspace();
    let name = OsStr::from_bytes(b"a\xffb");
    std::fs::write(host.files.path("ws/x").join(name), "odd").unwrap();
    std::fs::write(host.files.path("ws/x/plain"), "").unwrap();
    host.gives(
        r#"
        const names = [];
        for await (const entry of Deno.readDir("x")) names.push(entry.name);
        return [names.sort(), [...Deno.readDirSync("x")].map((e) => e.name).sort(),
          await both("readTextFile", "x/a\ufffdb")];"#,
        r#"[
            ["a\ufffdb", "plain"],
            ["a\ufffdb", "plain"],
            "NotFound: No such file or directory (os error 2): readfile 'x/a\ufffdb' [ENOENT]"
        ]"#,
    );
}

/// As long as one run of Deno took to leak 306 times, and ten times that.
const RACE: Duration = Duration::from_secs(30);

/// A thread of its own swaps a directory with a link to `outside/` as fast as the
/// kernel can, while a program works through the name.
#[test]
fn no_race_leads_out_of_the_grant() {
    let longer = Duration::from_secs(120);
    let host = Host::with(WORKSPACE, |config| {
        config.with_max_cpu_time(longer).with_max_new_files(10_000_000)
    });
    let (a, b) = (host.files.path("ws/swap"), host.files.path("ws/linkdir_out"));
    let stop = AtomicBool::new(false);
    let source = r#"
        const end = Date.now() + RACE, seen: Record<string, number> = {}, leaks: string[] = [];
        const note = (name: string) => seen[name] = (seen[name] ?? 0) + 1;
        const look = (text: string) => {
          note(text === "inside" ? text : "other");
          if (text !== "inside") leaks.push(text);
        };
        const steps: (() => unknown)[] = [
          async () => look(await Deno.readTextFile("swap/canary.txt")),
          () => look(Deno.readTextFileSync("swap/canary.txt")),
          () => { using f = Deno.openSync("swap/canary.txt"); const b = new Uint8Array(64);
            look(new TextDecoder().decode(b.subarray(0, f.readSync(b)!))) },
          () => Deno.writeTextFile("swap/victim.txt", "x"),
          () => Deno.writeTextFileSync("swap/new.txt", "x"),
          () => Deno.mkdirSync("swap/made", { recursive: true }),
          () => Deno.renameSync("swap/new.txt", "swap/newer.txt"),
          () => Deno.copyFileSync("hello.txt", "swap/data.json"),
          () => Deno.removeSync("swap/made", { recursive: true }),
          () => Deno.truncateSync("swap/victim.txt", 0),
          () => { if ([...Deno.readDirSync("swap")].some((e) => e.name === "mod.js")) leaks.push("dir") },
          () => { if (Deno.realPathSync("swap").includes("outside")) leaks.push("real") },
        ];
        while (Date.now() < end) {
          for (const step of steps) { try { await step() } catch (e: any) { note(e.name) } }
        }
        [leaks, seen]"#;
    let source = source.replace("RACE", &RACE.as_millis().to_string());
    let request = ExecuteRequest::new(source).with_timeout(longer);
    let execution = std::thread::scope(|scope| {
        scope.spawn(|| exchange(&a, &b, &stop));
        let execution = host.execute(request);
        stop.store(true, Ordering::Relaxed);
        execution
    });
    assert_eq!(execution.error, None);
    let Value::Array(value) = &execution.return_value else { panic!("{execution:#?}") };
    assert_eq!(value[0], json!([]));
    let seen = value[1].as_object().unwrap();
    let expected = ["inside", "NotCapable", "NotFound", "AlreadyExists"];
    assert!(seen.keys().all(|name| expected.contains(&name.as_str())), "{seen:?}");
    assert!(seen["inside"].as_u64() > Some(100), "the directory was hardly met: {seen:?}");
    assert!(seen["NotCapable"].as_u64() > Some(100), "the link was hardly met: {seen:?}");
    // The drop of the fixture compares outside/.
}

fn exchange(a: &Path, b: &Path, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..1000 {
            renameat2(AT_FDCWD, a, AT_FDCWD, b, RenameFlags::RENAME_EXCHANGE)
                .expect("both are there");
            std::thread::yield_now();
        }
        // Other tests need a processor too.
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_uncaught_refusal_is_a_permission_error() {
    let host = Host::of_the_workspace();
    assert_eq!(
        host.error("await Deno.readTextFile('/etc/passwd')"),
        (
            ErrorKind::Permission,
            "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read \
             flag"
                .to_owned()
        )
    );
    let (kind, message) = host.error("Deno.readTextFileSync('nope')");
    assert_eq!(kind, ErrorKind::Runtime);
    assert_eq!(message, "NotFound: No such file or directory (os error 2): readfile 'nope'");
}
