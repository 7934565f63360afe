//! Names of files: those that are no paths or no text, those that look like something else,
//! and other names for what may not be read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::json;

use crate::commands::{self, SHELL};
use crate::{Host, WORKSPACE};

#[test]
fn what_is_no_path_is_a_clear_error() {
    Host::of_the_workspace().gives(
        r#"
        const start = (said: string) => said.split(": ").slice(0, 2).join(": ").split(" [")[0];
        const long = "a/".repeat(2500) + "b";
        return {
          "readTextFile long .includes File name too long os error 36": (await both("readTextFile", long)).includes("File name too long (os error 36)"),
          "mkdir long, { recursive: true } .includes too long": (await both("mkdir", long, { recursive: true })).includes("too long"),
          "readTextFile n.repeat 300": start(await both("readTextFile", "n".repeat(300))),
          "readTextFile hello.txt0": start(await both("readTextFile", "hello.txt\0")),
          "stat a0b": start(await both("stat", "a\0b")),
          "writeTextFile hello.txt0x, y": start(await both("writeTextFile", "hello.txt\0x", "y")),
          "mkdir q0": start(await both("mkdir", "q\0")),
          "rename hello.txt, a0": start(await both("rename", "hello.txt", "a\0")),
          "symlink a0, l*": start(await both("symlink", "a\0", "l*")),
          "stat": await both("stat", ""),
          "readTextFile http://x/y": await both("readTextFile", new URL("http://x/y")),
          "readTextFile file:///a%00b": await both("readTextFile", new URL("file:///a%00b")).then((s) => s.split(":")[0]),
          "readTextFile /ws/%68ello.txt": start(await both("readTextFile", "@ROOT@/ws/%68ello.txt")),
          "readTextFile file:///ws/%68ello.txt": await both("readTextFile", new URL("file://@ROOT@/ws/%68ello.txt")),
        };"#,
        r#"{
            "readTextFile long .includes File name too long os error 36": true,
            "mkdir long, { recursive: true } .includes too long": true,
            "readTextFile n.repeat 300": "Error: File name too long (os error 36)",
            "readTextFile hello.txt0": "TypeError: file name contained an unexpected NUL byte",
            "stat a0b": "TypeError: file name contained an unexpected NUL byte",
            "writeTextFile hello.txt0x, y": "TypeError: file name contained an unexpected NUL byte",
            "mkdir q0": "TypeError: file name contained an unexpected NUL byte",
            "rename hello.txt, a0": "TypeError: file name contained an unexpected NUL byte",
            "symlink a0, l*": "TypeError: file name contained an unexpected NUL byte",
            "stat": "NotFound: No such file or directory (os error 2): stat '' [ENOENT]",
            "readTextFile http://x/y": "TypeError: Must be a file URL",
            "readTextFile file:///a%00b": "TypeError",
            "readTextFile /ws/%68ello.txt": "NotFound: No such file or directory (os error 2)",
            "readTextFile file:///ws/%68ello.txt": "hello"
        }"#,
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

/// opendir(3) of a FIFO that nobody writes would wait for ever.
#[test]
fn to_list_what_is_no_directory_is_an_error_at_once() {
    Host::of_the_workspace().gives(
        r#"
        const list = async (path: string) => { for await (const _ of Deno.readDir(path)); };
        const each = async (path: string) =>
          [await t(() => list(path)), await t(() => [...Deno.readDirSync(path)])];
        return [await each("hello.txt"), await each("nope"), (await each("fifo")).map((said) => said.split(":")[0])];"#,
        r#"[
            [
                "NotADirectory: Not a directory (os error 20): readdir 'hello.txt' [ENOTDIR]",
                "NotADirectory: Not a directory (os error 20): readdir 'hello.txt' [ENOTDIR]"
            ],
            [
                "NotFound: No such file or directory (os error 2): readdir 'nope' [ENOENT]",
                "NotFound: No such file or directory (os error 2): readdir 'nope' [ENOENT]"
            ],
            ["NotADirectory", "NotADirectory"]
        ]"#,
    );
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

/// proc_pid_fd(5): the kernel adds these words to the name of what was removed.
#[test]
fn a_file_whose_name_says_deleted_is_a_file_like_any_other() {
    let denied = "@ROOT@/ws/y (deleted)";
    let host = Host::with_grants(&format!("{WORKSPACE},deny-read={denied},deny-write={denied}"));
    for (name, text) in [("x (deleted)", "x"), ("y (deleted)", "Y-CANARY")] {
        std::fs::write(host.files.path("ws").join(name), text).unwrap();
    }
    host.gives(
        r#"
        const start = (said: string) => said.split(/ \(os|, run/)[0];
        return {
          "readTextFile x deleted": await both("readTextFile", "x (deleted)"),
          "statSync x deleted .size": Deno.statSync("x (deleted)").size,
          "realPath x deleted": await both("realPath", "x (deleted)"),
          "writeTextFile x deleted , changed": await both("writeTextFile", "x (deleted)", "changed"),
          "readTextFile x deleted, 2": await both("readTextFile", "x (deleted)"),
          "readTextFile y deleted": start(await both("readTextFile", "y (deleted)")),
          "writeTextFile y deleted , x": start(await both("writeTextFile", "y (deleted)", "x")),
          "rename y deleted , z*": start(await both("rename", "y (deleted)", "z*")),
          "readTextFile y": start(await both("readTextFile", "y")),
          "writeTextFile y, plain": await both("writeTextFile", "y", "plain"),
          "readTextFile y, 2": await both("readTextFile", "y"),
        };"#,
        r#"{
            "readTextFile x deleted": "x",
            "statSync x deleted .size": 1,
            "realPath x deleted": "@ROOT@/ws/x (deleted)",
            "writeTextFile x deleted , changed": "done",
            "readTextFile x deleted, 2": "changed",
            "readTextFile y deleted": "NotCapable: Requires read access to \"y (deleted)\"",
            "writeTextFile y deleted , x": "NotCapable: Requires write access to \"y (deleted)\"",
            "rename y deleted , z*": "NotCapable: Requires read access to \"y (deleted)\"",
            "readTextFile y": "NotFound: No such file or directory",
            "writeTextFile y, plain": "done",
            "readTextFile y, 2": "plain"
        }"#,
    );
    assert_eq!(host.files.read("ws/y (deleted)"), "Y-CANARY");
}

/// renameat(2) needs no right to read what it moves; the new name would be one
/// that may be read.
#[test]
fn a_file_that_may_not_be_read_gets_no_other_name() {
    let grants = "allow-read=@ROOT@/ws;deny-read=@ROOT@/ws/secret;allow-write=@ROOT@/ws";
    let host = Host::with_grants(grants);
    host.gives(
        r#"
        const start = (said: string) => said.split(", run")[0];
        return {
          "rename secret/s.txt, open*": start(await both("rename", "secret/s.txt", "open*")),
          "rename secret, open*": start(await both("rename", "secret", "open*")),
          "link secret/s.txt, open*": start(await both("link", "secret/s.txt", "open*")),
          "copyFile secret/s.txt, open*": start(await both("copyFile", "secret/s.txt", "open*")),
          "symlink secret/s.txt, open*": start(await both("symlink", "secret/s.txt", "open*")),
          "[...readDirSync . ].some entry to entry.name.startsWith open": [...Deno.readDirSync(".")].some((entry) => entry.name.startsWith("open")),
          "renameSync hello.txt, moved": await t(() => Deno.renameSync("hello.txt", "moved")),
          "readTextFile moved": await both("readTextFile", "moved"),
        };"#,
        r#"{
            "rename secret/s.txt, open*": "NotCapable: Requires read access to \"secret/s.txt\"",
            "rename secret, open*": "NotCapable: Requires read access to \"secret\"",
            "link secret/s.txt, open*": "NotCapable: Requires read access to \"secret/s.txt\"",
            "copyFile secret/s.txt, open*": "NotCapable: Requires read access to \"secret/s.txt\"",
            "symlink secret/s.txt, open*": "NotCapable: Requires read access to \"secret/s.txt\"",
            "[...readDirSync . ].some entry to entry.name.startsWith open": false,
            "renameSync hello.txt, moved": "done",
            "readTextFile moved": "hello"
        }"#,
    );
    assert_eq!(host.files.read("ws/secret/s.txt"), host.files.text("SECRET-CANARY-@MARK@"));
}

#[test]
fn a_command_gives_no_other_name_to_what_may_not_be_read() {
    let Some(host) = commands::host(",deny-read=@ROOT@/ws/secret/s.txt") else { return };
    let shell = format!("{}{SHELL}", include_str!("prelude.ts"));
    let execution = host.run(&format!(
        "{shell} return [
          await sh('mv secret/s.txt open || ln secret/s.txt open || cp secret/s.txt open'),
          await sh('mv secret open; cat open/s.txt open'), await sh('cat hello.txt'),
        ].map(([code, out]) => [code === 0, out])"
    ));
    assert_eq!(execution.error, None);
    assert_eq!(execution.return_value, json!([[false, ""], [false, ""], [true, "hello"]]));
    assert_eq!(host.files.read("ws/secret/s.txt"), host.files.text("SECRET-CANARY-@MARK@"));
}
