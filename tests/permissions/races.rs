//! Names that mean something else at every moment: a thread exchanges two links as
//! fast as the kernel can, one of which leads to what is closed, while a program
//! works through the name. It runs for [`SECONDS`], 2 if nothing is said.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_conductor::ExecuteRequest;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::{Host, WORKSPACE};

const SECONDS: &str = "MCP_CONDUCTOR_RACE_SECONDS";

/// A program goes on for so long beyond its time if it has met one of the two links
/// only.
const PATIENCE: Duration = Duration::from_secs(60);

fn seconds() -> Duration {
    let given = std::env::var(SECONDS).ok().and_then(|text| text.parse().ok());
    Duration::from_secs(given.unwrap_or(2))
}

/// `ws/d/X` and `ws/d/Y` are links, to `closed` and to `ws/open`, which has files of
/// the names that are closed.
fn files(closed: &str) -> Fixture {
    let files = Fixture::new();
    let ws = files.path("ws");
    for directory in ["d", "open", "new"] {
        std::fs::create_dir(ws.join(directory)).unwrap();
    }
    for name in ["s.txt", "canary.txt", "victim.txt"] {
        std::fs::write(ws.join("open").join(name), "open").unwrap();
    }
    std::os::unix::fs::symlink(closed, ws.join("d/X")).unwrap();
    std::os::unix::fs::symlink("../open", ws.join("d/Y")).unwrap();
    files
}

fn exchange(a: &Path, b: &Path, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..100 {
            renameat2(AT_FDCWD, a, AT_FDCWD, b, RenameFlags::RENAME_EXCHANGE)
                .expect("both are there");
            std::thread::yield_now();
        }
        // Other tests need a processor too.
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Exchanges two paths as long as something else is done.
fn racing<T>(a: &Path, b: &Path, work: impl FnOnce() -> T) -> T {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| exchange(a, b, &stop));
        let _stop = Stop(&stop);
        work()
    })
}

/// Runs `steps`, an array of functions, over and over. `leak` is what they call if
/// they have got what is closed.
#[track_caller]
fn nothing_is_won(files: Fixture, grants: &str, steps: &str) {
    let longer = seconds() + PATIENCE + Duration::from_secs(60);
    let host = Host::over(files, grants, |config| {
        config.with_max_cpu_time(longer).with_max_timeout(longer).with_max_new_files(100_000_000)
    });
    let (a, b) = (host.files.path("ws/d/X"), host.files.path("ws/d/Y"));
    let source = format!(
        r#"
        const end = Date.now() + {}, last = end + {}, seen: Record<string, number> = {{}};
        const leaks: string[] = [], met = () => seen.done && seen.NotCapable;
        const note = (name: string) => seen[name] = (seen[name] ?? 0) + 1;
        const leak = (what: string) => leaks.length < 20 && leaks.push(what);
        const look = (text: string) => text.includes("CANARY") && leak(text);
        const gone = (path: string) => {{ try {{ Deno.removeSync(path) }} catch {{ 0 }} }};
        const steps: (() => unknown)[] = [{steps}];
        const take = async (step: () => unknown) => {{
          try {{ await step(); note("done") }} catch (e: any) {{ note(e.name) }}
        }};
        while (Date.now() < end || !met() && Date.now() < last) {{
          for (const step of steps) await Promise.all([take(step), take(step), take(step)]);
        }}
        ({{ leaks, seen }})"#,
        seconds().as_millis(),
        PATIENCE.as_millis(),
    );
    let request = ExecuteRequest::new(host.files.text(&source)).with_timeout(longer);
    let execution = racing(&a, &b, || host.execute(request));
    assert_eq!(execution.error, None);
    let Value::Object(value) = &execution.return_value else { panic!("{execution:#?}") };
    let seen = &value["seen"];
    assert_eq!(value["leaks"], json!([]), "{seen}");
    for met in ["done", "NotCapable"] {
        assert!(seen[met].as_u64() > Some(0), "one link was never met: {seen}");
    }
    println!("{seen}");
    // The drop of the fixture compares outside/.
}

const DENIED: &str = "allow-read=@ROOT@/ws,allow-write=@ROOT@/ws,deny-read=@ROOT@/ws/secret";

#[test]
fn what_cannot_be_read_gets_no_name_that_can() {
    let steps = r#"
        () => { const to = `new/${Math.random()}`; Deno.linkSync("d/X/s.txt", to);
          look(Deno.readTextFileSync(to)); Deno.removeSync(to) },
        async () => { const to = `new/${Math.random()}`; await Deno.link("d/X/s.txt", to);
          look(await Deno.readTextFile(to)); await Deno.remove(to) },"#;
    nothing_is_won(files("../secret"), DENIED, steps);
}

#[test]
fn what_cannot_be_read_is_not_moved_to_where_it_can() {
    let steps = r#"
        async () => { const to = `new/${Math.random()}`; await Deno.rename("d/X/s.txt", to);
          look(await Deno.readTextFile(to)); await Deno.rename(to, "open/s.txt") },
        () => { const to = `new/${Math.random()}`; Deno.renameSync("d/X/s.txt", to);
          look(Deno.readTextFileSync(to)); Deno.renameSync(to, "open/s.txt") },
        () => { Deno.writeTextFileSync("open/s.txt", "open") },
        () => { if (Deno.statSync("d/X").ino === Deno.statSync("open").ino) return;
          leak("stat of what is denied") },"#;
    nothing_is_won(files("../secret"), DENIED, steps);
}

#[test]
fn what_cannot_be_read_is_not_opened_for_both() {
    let steps = r#"
        async () => { using f = await Deno.open("d/X/s.txt", { read: true, write: true });
          const b = new Uint8Array(64); const n = await f.read(b);
          look(new TextDecoder().decode(b.subarray(0, n ?? 0))) },
        async () => { const to = `new/${Math.random()}`; await Deno.copyFile("d/X/s.txt", to);
          look(await Deno.readTextFile(to)); await Deno.remove(to) },
        () => { for (const e of Deno.readDirSync("d/X")) if (!e.name.includes(".txt")) leak(e.name) },"#;
    nothing_is_won(files("../secret"), DENIED, steps);
}

/// A link that leads out of the grant, as one is planted by moving the directory that
/// it lies in.
#[test]
fn nothing_outside_is_read_written_or_named() {
    let steps = r#"
        async () => look(await Deno.readTextFile("d/X/canary.txt")),
        () => look(Deno.readTextFileSync("d/X/canary.txt")),
        async () => { await Deno.truncate("d/X/victim.txt", 1) },
        async () => { await Deno.writeTextFile("d/X/victim.txt", "x", { create: false }) },
        async () => { await Deno.mkdir("d/X/n/m", { recursive: true });
          await Deno.remove("d/X/n", { recursive: true }) },
        async () => { await Deno.chmod("d/X/victim.txt", 0o600); await Deno.utime("d/X/victim.txt", 1, 1) },
        async () => { const to = `new/${Math.random()}`; await Deno.link("d/X/canary.txt", to);
          look(await Deno.readTextFile(to)); await Deno.remove(to) },
        async () => { for await (const e of Deno.readDir("d/X")) if (e.name === "mod.js") leak(e.name) },
        async () => { if ((await Deno.stat("d/X/canary.txt")).size !== 4) leak("stat") },
        async () => { await Deno.makeTempFile({ dir: "d/X" }).then((path) => gone(path)) },
        () => { Deno.symlinkSync("s.txt", "d/X/l"); gone("open/l") },
        async () => { await Deno.rename("d/X/canary.txt", "new/c"); look(await Deno.readTextFile("new/c")) },
        () => { Deno.writeTextFileSync("open/canary.txt", "open") },"#;
    nothing_is_won(files("../../outside"), WORKSPACE, steps);
}

/// `ws/playbooks` is a directory at one moment and a link that leads out at another.
#[test]
fn no_playbook_is_read_through_a_link_that_leads_out() {
    let files = Fixture::new();
    let (ws, elsewhere) = (files.path("ws"), files.path("elsewhere"));
    let canary = files.text("FS-CANARY-@MARK@");
    for (directory, text) in [(ws.join("playbooks"), "inside"), (elsewhere, canary.as_str())] {
        std::fs::create_dir_all(directory.join("other")).unwrap();
        let code = format!("export const x = '{text}'");
        std::fs::write(directory.join("other/playbook.ts"), code).unwrap();
        let markdown = "---\nname: o\ndescription: d\n---\nx";
        std::fs::write(directory.join("other/playbook.md"), markdown).unwrap();
    }
    std::os::unix::fs::symlink("../elsewhere", ws.join("planted")).unwrap();
    let host = Host::over(files, WORKSPACE, |config| config);
    let (a, b): (PathBuf, PathBuf) = (ws.join("playbooks"), ws.join("planted"));
    let source = "try { (await import('playbook:other')).x } catch (e) { `${e}` }";
    racing(&a, &b, || {
        let end = std::time::Instant::now() + seconds();
        let (mut inside, mut refused) = (0, 0);
        while std::time::Instant::now() < end || inside == 0 || refused == 0 {
            let execution = host.run(source);
            assert!(!format!("{execution:?}").contains(&canary), "{execution:#?}");
            match execution.return_value == "inside" {
                true => inside += 1,
                false => refused += 1,
            }
            assert!(std::time::Instant::now() < end + PATIENCE, "{inside} {refused}");
        }
        println!("{inside} inside, {refused} refused");
    });
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
        ({ leaks, seen })"#;
    let source = source.replace("RACE", &RACE.as_millis().to_string());
    let request = ExecuteRequest::new(source).with_timeout(longer);
    let execution = racing(&a, &b, || host.execute(request));
    assert_eq!(execution.error, None);
    let Value::Object(value) = &execution.return_value else { panic!("{execution:#?}") };
    assert_eq!(value["leaks"], json!([]));
    let seen = value["seen"].as_object().unwrap();
    let expected = ["inside", "NotCapable", "NotFound", "AlreadyExists"];
    assert!(seen.keys().all(|name| expected.contains(&name.as_str())), "{seen:?}");
    assert!(seen["inside"].as_u64() > Some(100), "the directory was hardly met: {seen:?}");
    assert!(seen["NotCapable"].as_u64() > Some(100), "the link was hardly met: {seen:?}");
    // The drop of the fixture compares outside/.
}
