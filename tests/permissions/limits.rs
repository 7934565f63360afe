//! What one run may use up of files: limits that say their value and variable,
//! a full disk, and much at once.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_conductor::{ErrorKind, ExecuteRequest};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::fixture::Fixture;
use crate::{Host, WORKSPACE, start};

#[track_caller]
fn assert_named(host: &Host, program: &str, variable: &str, value: &str) {
    let (kind, message) = host.error(program);
    assert_eq!(kind, ErrorKind::Runtime, "{message}");
    assert!(message.starts_with("Error: "), "{message}");
    assert!(message.contains(variable) && message.contains(value), "{message}");
}

#[test]
fn bytes_written_are_limited_all_files_together() {
    let host = Host::with(WORKSPACE, |config| config.with_max_write_size(1_000_000));
    let enough = "
        for (let i = 0; i < 10; i++) Deno.writeFileSync('f' + i % 2, new Uint8Array(90_000));
        'done'";
    assert_eq!(host.value(enough), "done");
    for program in [
        "Deno.writeFileSync('a', new Uint8Array(1_000_001))",
        "await Deno.writeFile('b', new Uint8Array(2_000_000))",
        "for (let i = 0; i < 12; i++) Deno.writeTextFileSync('c' + i, 'x'.repeat(90_000))",
        "for (let i = 0; i < 12; i++) Deno.writeTextFileSync('d', 'x'.repeat(90_000))",
        "const f = Deno.openSync('e', { write: true, create: true });
         for (let i = 0; i < 12; i++) await f.write(new Uint8Array(90_000))",
        "const f = Deno.openSync('f', { write: true, create: true }); f.truncateSync(2_000_000)",
        "Deno.writeTextFileSync('g', ''); Deno.truncateSync('g', 2_000_000)",
        "Deno.writeFileSync('h', new Uint8Array(600_000)); Deno.copyFileSync('h', 'i')",
        "await Deno.writeFile('j', new Blob([new Uint8Array(2_000_000)]).stream())",
    ] {
        assert_named(&host, program, "MCP_CONDUCTOR_MAX_WRITE_SIZE", "1000000");
    }
    for name in "abcdefghij".chars() {
        let length = host.files.path(&format!("ws/{name}")).metadata().map_or(0, |m| m.len());
        assert!(length <= 1_000_000, "{name}: {length}");
    }
}

#[test]
fn new_files_are_limited() {
    let host = Host::with(WORKSPACE, |config| config.with_max_new_files(37));
    let enough = "
        for (let i = 0; i < 37; i++) Deno.writeTextFileSync('n' + i, '');
        for (let i = 0; i < 100; i++) Deno.writeTextFileSync('n0', 'again'); 'done'";
    assert_eq!(host.value(enough), "done");
    for made in [
        "Deno.writeTextFileSync('a' + i, '')",
        "await Deno.mkdir('b' + i)",
        "Deno.mkdirSync('c'.repeat(i + 1) + '/c/c/c', { recursive: true })",
        "Deno.makeTempFileSync()",
        "await Deno.makeTempDir()",
        "Deno.linkSync('hello.txt', 'd' + i)",
        "Deno.symlinkSync('hello.txt', 'e' + i)",
        "Deno.copyFileSync('hello.txt', 'f' + i)",
        "(await Deno.open('g' + i, { write: true, createNew: true })).close()",
    ] {
        let program = format!("for (let i = 0; i < 38; i++) {{ {made} }}");
        assert_named(&host, &program, "MCP_CONDUCTOR_MAX_NEW_FILES", "37");
    }
}

#[test]
fn open_files_are_limited_and_closing_one_makes_room() {
    let host = Host::with(WORKSPACE, |config| config.with_max_open_files(23));
    let program = "const kept = []; for (let i = 0; i < 24; i++) kept.push(";
    for open in ["Deno.openSync('hello.txt')", "await Deno.open('hello.txt')"] {
        let program = format!("{program}{open})");
        assert_named(&host, &program, "MCP_CONDUCTOR_MAX_OPEN_FILES", "23");
    }
    let reused = "
        for (let i = 0; i < 500; i++) { using f = Deno.openSync('hello.txt'); f.statSync() }
        const kept = []; for (let i = 0; i < 23; i++) kept.push(await Deno.open('hello.txt'));
        kept.pop()!.close();
        [Deno.readTextFileSync('hello.txt'), kept.length]";
    assert_eq!(host.value(reused), json!(["hello", 22]));
}

#[test]
fn a_file_that_is_too_large_for_memory_ends_no_server() {
    let host = Host::of_the_workspace();
    for read in ["Deno.readFileSync('sparse')", "await Deno.readTextFile('sparse')"] {
        let execution = host.run(&format!("({read}).length"));
        let error = execution.error.expect("8 GiB have no room");
        let kinds = [ErrorKind::Memory, ErrorKind::Runtime];
        assert!(kinds.contains(&error.kind), "{error:#?}");
        assert_eq!(host.value("Deno.readTextFileSync('hello.txt')"), "hello");
    }
}

/// A file system of 1 MiB, gone with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: &Path) -> Option<Self> {
        let (tmpfs, size) = (Some("tmpfs"), Some("size=1m"));
        match mount(tmpfs, place, tmpfs, MsFlags::empty(), size) {
            Ok(()) => Some(Self(place.to_owned())),
            Err(error) => {
                eprintln!("skipped: a small disk cannot be mounted: {error}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_full_disk_is_an_error_of_the_call() {
    let files = Fixture::new();
    let Some(disk) = SmallDisk::mount(&files.path("ws/x")) else { return };
    let grants = "allow-read=@ROOT@/ws/x,allow-write=@ROOT@/ws/x";
    let host = Host::over(files, grants, |config| config.with_workspace(disk.0.clone()));
    // Unmounted before the directory below it is removed.
    let _disk = disk;
    host.gives(
        r#"
        const write = async () => {
          using f = Deno.openSync("g", { write: true, create: true });
          for (let i = 0; i < 100; i++) await f.write(new Uint8Array(65536));
        };
        const seen = {
          "too much": await both("writeFile", "f", new Uint8Array(4 << 20)),
          "what fits is there": Deno.statSync("f").size <= 1 << 20,
          "piece by piece": await t(write),
          "a copy": await both("copyFile", "f", "h"),
          "remove": await both("remove", "f").then(() => 1),
        };
        for (const name of ["g", "h"]) await t(() => Deno.removeSync(name));
        return {
          ...seen,
          "a small file": await both("writeTextFile", "small*", "fits"),
          "its content": read("small*"),
        };"#,
        r#"{
            "too much": "Error: No space left on device (os error 28): writefile 'f' [ENOSPC]",
            "what fits is there": true,
            "piece by piece": "Error: No space left on device (os error 28) [ENOSPC]",
            "a copy": "Error: No space left on device (os error 28): copy 'f' -> 'h' [ENOSPC]",
            "remove": 1,
            "a small file": "done",
            "its content": "fits"
        }"#,
    );
}

#[test]
fn a_workspace_that_does_not_exist_is_made() {
    let files = Fixture::new();
    let place = files.path("made/for/it");
    let grants = "allow-read=@ROOT@/made,allow-write=@ROOT@/made";
    let host = Host::over(files, grants, |config| config.with_workspace(place.clone()));
    let program = "Deno.writeTextFileSync('f', 'x'); [Deno.cwd(), Deno.readTextFileSync('f')]";
    assert_eq!(host.value(program), json!(["@ROOT@/made/for/it", "x"]));
    assert!(place.join("f").is_file());
}

#[test]
fn a_workspace_that_is_a_file_stops_the_start() {
    let files = Fixture::new();
    let place = files.path("ws/hello.txt");
    let started = start(&files, "none", |config| config.with_workspace(place.clone()));
    let message = started.err().expect("a file is no workspace").to_string();
    assert!(message.starts_with("MCP_CONDUCTOR_WORKSPACE: "), "{message}");
    assert!(message.contains(&*place.to_string_lossy()), "{message}");
    assert!(message.contains(", for example MCP_CONDUCTOR_WORKSPACE="), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn five_thousand_entries_are_listed() {
    let host = Host::of_the_workspace();
    for n in 0..5000 {
        std::fs::write(host.files.path(&format!("ws/x/entry-{n:04}")), "").unwrap();
    }
    let program = "
        const names: string[] = [];
        for await (const entry of Deno.readDir('x')) names.push(entry.name);
        const sync = [...Deno.readDirSync('x')].map((e) => e.name).sort();
        names.sort();
        [names.length, names[0], names[4999], JSON.stringify(names) === JSON.stringify(sync)]";
    assert_eq!(host.value(program), json!([5000, "entry-0000", "entry-4999", true]));
    assert_eq!(host.value("Deno.removeSync('x', { recursive: true }); 1"), 1);
    assert!(!host.files.path("ws/x").exists());
}

#[test]
fn a_thousand_reads_in_flight_at_once_all_finish() {
    let program = "
        for (let i = 0; i < 1000; i++) Deno.writeTextFileSync('x/' + i, 'file ' + i);
        const texts = await Promise.all(
          Array.from({ length: 1000 }, (_, i) => Deno.readTextFile('x/' + i)));
        const same = await Promise.all(
          Array.from({ length: 1000 }, () => Deno.readTextFile('hello.txt')));
        [texts.every((text, i) => text === 'file ' + i), new Set(same).size, same.length]";
    let host = Host::with(WORKSPACE, |config| config.with_max_new_files(2000));
    assert_eq!(host.value(program), json!([true, 1, 1000]));
}

#[test]
fn writes_that_are_not_awaited_keep_their_order() {
    let program = "
        const f = await Deno.open('o', { write: true, create: true });
        const lines = Array.from({ length: 2000 }, (_, i) => `line ${i}\\n`);
        const all = lines.map((line) => f.write(new TextEncoder().encode(line)));
        f.writeSync(new TextEncoder().encode('sync'));
        const counts = await Promise.all(all);
        f.close();
        const text = Deno.readTextFileSync('o');
        [counts.every((n, i) => n === lines[i].length), text.replace('sync', '') === lines.join(''),
          text.length === lines.join('').length + 4]";
    assert_eq!(Host::of_the_workspace().value(program), json!([true, true, true]));
}

#[test]
fn large_files_that_are_read_at_once_take_little_more_memory_than_they_have() {
    // 128 MB of files, one of 8 MB that wrote them, and what every run has.
    let host = Host::with(WORKSPACE, |config| config.with_max_memory(200 << 20));
    let program = "
        Deno.writeFileSync('large', new Uint8Array(8e6));
        const all = Array.from({ length: 16 }, () => Deno.readFile('large'));
        // The server has as much as it may keep before the first piece is taken.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
        (await Promise.all(all)).reduce((sum, { length }) => sum + length, 0)";
    for _ in 0..5 {
        assert_eq!(host.value(program), 128_000_000);
    }
}

#[test]
fn a_hundred_megabytes_are_read_as_they_were_written() {
    let host = Host::with(WORKSPACE, |config| {
        config.with_max_memory(1 << 30).with_max_cpu_time(Duration::from_secs(60))
    });
    let mut text = String::with_capacity(100 << 20);
    for line in 0_u64.. {
        if text.len() >= 100_000_000 {
            break;
        }
        let mixed = line.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        writeln!(text, "{mixed:016x}{line}").unwrap();
    }
    let hash = Sha256::digest(text.as_bytes());
    let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    std::fs::write(host.files.path("ws/big"), &text).unwrap();
    let hashed = |bytes: &str| {
        let program = format!(
            "const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', {bytes}));
             [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('')"
        );
        let request = ExecuteRequest::new(program).with_timeout(Duration::from_secs(120));
        let execution = host.execute(request);
        assert_eq!(execution.error, None, "{bytes}");
        execution.return_value
    };
    let encoded = |text: &str| hashed(&format!("new TextEncoder().encode({text})"));
    assert_eq!(encoded("await Deno.readTextFile('big')"), json!(hash));
    assert_eq!(encoded("Deno.readTextFileSync('big')"), json!(hash));
    assert_eq!(hashed("await Deno.readFile('big')"), json!(hash));
    let streamed = "await new Response((await Deno.open('big')).readable).arrayBuffer()";
    assert_eq!(hashed(streamed), json!(hash));
}
