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
        return [
          await both("readTextFile", "x (deleted)"), Deno.statSync("x (deleted)").size,
          await both("realPath", "x (deleted)"), await both("writeTextFile", "x (deleted)", "changed"),
          await both("readTextFile", "x (deleted)"), start(await both("readTextFile", "y (deleted)")),
          start(await both("writeTextFile", "y (deleted)", "x")), start(await both("rename", "y (deleted)", "z*")),
          start(await both("readTextFile", "y")), await both("writeTextFile", "y", "plain"),
          await both("readTextFile", "y"),
        ];"#,
        r#"[
            "x",
            1,
            "@ROOT@/ws/x (deleted)",
            "done",
            "changed",
            "NotCapable: Requires read access to \"y (deleted)\"",
            "NotCapable: Requires write access to \"y (deleted)\"",
            "NotCapable: Requires read access to \"y (deleted)\"",
            "NotFound: No such file or directory",
            "done",
            "plain"
        ]"#,
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
        return [
          start(await both("rename", "secret/s.txt", "open*")), start(await both("rename", "secret", "open*")),
          start(await both("link", "secret/s.txt", "open*")), start(await both("copyFile", "secret/s.txt", "open*")),
          start(await both("symlink", "secret/s.txt", "open*")),
          [...Deno.readDirSync(".")].some((entry) => entry.name.startsWith("open")),
          await t(() => Deno.renameSync("hello.txt", "moved")), await both("readTextFile", "moved"),
        ];"#,
        r#"[
            "NotCapable: Requires read access to \"secret/s.txt\"",
            "NotCapable: Requires read access to \"secret\"",
            "NotCapable: Requires read access to \"secret/s.txt\"",
            "NotCapable: Requires read access to \"secret/s.txt\"",
            "NotCapable: Requires read access to \"secret/s.txt\"",
            false,
            "done",
            "hello"
        ]"#,
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
