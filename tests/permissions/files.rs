//! Deno's file API over the workspace: what is allowed works as in Deno, and what
//! is not fails with Deno's error, in both forms of every function.

use crate::Host;

#[test]
fn files_are_read_whole() {
    Host::of_the_workspace().gives(
        r#"
        return [
          await both("readTextFile", "hello.txt"),
          text(await both("readFile", "hello.txt")), await Deno.readFile("x/../hello.txt") instanceof Uint8Array,
          await both("readTextFile", "@ROOT@/ws/x/../hello.txt"),
          await both("readTextFile", new URL("file://@ROOT@/ws/hello.txt")),
          await both("readTextFile", "nope"),
          await both("readFile", "nope/deeper"),
          await both("readTextFile", "x"),
          (await both("readTextFile", "hello.txt/x")).split(" (")[0],
          await both("readTextFile", "/etc/passwd"),
          await both("readFile", "../outside/canary.txt"),
          await both("readTextFile", "@ROOT@/ws/../outside/canary.txt"),
          await both("readTextFile", new URL("file:///etc/passwd")),
        ];"#,
        r#"[
            "hello",
            "hello",
            true,
            "hello",
            "hello",
            "NotFound: No such file or directory (os error 2): readfile 'nope' [ENOENT]",
            "NotFound: No such file or directory (os error 2): readfile 'nope/deeper' [ENOENT]",
            "IsADirectory: Is a directory (os error 21): readfile 'x' [EISDIR]",
            "NotADirectory: Not a directory",
            "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "NotCapable: Requires read access to \"../outside/canary.txt\", run again with the --allow-read flag",
            "NotCapable: Requires read access to \"@ROOT@/outside/canary.txt\", run again with the --allow-read flag",
            "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag"
        ]"#,
    );
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    Host::of_the_workspace().gives(
        r#"
        Deno.writeFileSync("b", new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff, 0x62]));
        return [await both("readTextFile", "b"), [...await both("readFile", "b")]];"#,
        r#"["\ufeffa\ufffdb", [239, 187, 191, 97, 255, 98]]"#,
    );
}

#[test]
fn files_are_written_whole() {
    Host::of_the_workspace().gives(
        r#"
        const stream = () => new Response("streamed").body!.pipeThrough(new TextDecoderStream());
        return [
          await both("writeTextFile", "w*", "one"), read("w*"),
          await both("writeTextFile", "w*", "2"), read("w*"),
          await both("writeTextFile", "w*", "3", { append: true }), read("w*"),
          await both("writeFile", "w*", bytes("four")), read("w*"),
          await both("writeFile", "w*", bytes("5"), { append: true }), read("w*"),
          await both("writeTextFile", "w*", "x", { createNew: true }), read("w*"),
          await both("writeTextFile", "new*", "x", { create: false }),
          await both("writeTextFile", "w*", "y", { create: false }), read("w*"),
          await both("writeTextFile", "m*", "x", { mode: 0o640 }),
          pair("m*", (name) => Deno.statSync(name).mode! & 0o777),
          await Deno.writeTextFile("streamed", stream()), Deno.readTextFileSync("streamed"),
          await both("writeTextFile", "nope/x", "x"),
          await both("writeTextFile", "x", "x"),
          await both("writeTextFile", "/etc/x", "x"),
          await both("writeFile", "../outside/victim.txt", bytes("x")),
        ];"#,
        r#"[
            "done",
            "one",
            "done",
            "2",
            "done",
            "23",
            "done",
            "four",
            "done",
            "four5",
            "AlreadyExists: File exists (os error 17): writefile 'w*' [EEXIST]",
            "four5",
            "NotFound: No such file or directory (os error 2): writefile 'new*' [ENOENT]",
            "done",
            "y",
            "done",
            416,
            null,
            "streamed",
            "NotFound: No such file or directory (os error 2): writefile 'nope/x' [ENOENT]",
            "IsADirectory: Is a directory (os error 21): writefile 'x' [EISDIR]",
            "NotCapable: Requires write access to \"/etc/x\", run again with the --allow-write flag",
            "NotCapable: Requires write access to \"../outside/victim.txt\", run again with the --allow-write flag"
        ]"#,
    );
}

#[test]
fn an_open_file_is_read_written_and_sought() {
    Host::of_the_workspace().gives(
        r#"
        const b = new Uint8Array(4), n = new Uint8Array(0);
        const f = await Deno.open("f", { read: true, write: true, create: true });
        const steps: unknown[] = [
          await f.write(bytes("0123456789")), f.writeSync(bytes("ab")),
          await f.seek(2, Deno.SeekMode.Start), await f.read(b), text(b),
          f.seekSync(1, Deno.SeekMode.Current), f.readSync(b), text(b),
          await f.seek(-2, Deno.SeekMode.End), await f.read(b), text(b.subarray(0, 2)),
          await f.read(b), f.readSync(b), await f.read(n),
          await t(() => f.seek(-1, Deno.SeekMode.Start)),
          await f.seek(100, Deno.SeekMode.Start), f.writeSync(bytes("!")), (await f.stat()).size,
          await f.truncate(3), f.statSync().size, f.truncateSync(5), (await f.stat()).isFile,
          await f.sync(), f.syncSync(), await f.syncData(), f.syncDataSync(),
          await f.utime(1, 2), f.statSync().mtime!.getTime(), f.utimeSync(new Date(3000), 4),
          f.statSync().mtime!.getTime(), f.isTerminal(),
        ];
        f.close();
        steps.push(await t(() => f.read(b)), await t(() => f.close()), await t(() => f.writeSync(b)));
        return [steps.map((step) => step ?? null), [...Deno.readFileSync("f")]];"#,
        r#"[
            [10, 2, 2, 4, "2345", 7, 4, "789a", 10, 2, "ab", null, null, 0, "TypeError: Invalid argument (os error 22) [EINVAL]", 100, 1, 101, null, 3, null, true, null, null, null, null, null, 2000, null, 4000, false, "BadResource: Bad resource ID", "BadResource: Bad resource ID", "BadResource: Bad resource ID"],
            [48, 49, 50, 0, 0]
        ]"#,
    );
}

#[test]
fn open_needs_the_grant_and_the_options_that_go_together() {
    Host::of_the_workspace().gives(
        r#"
        const open = async (path: string, options?: Deno.OpenOptions) => {
          const a = await t(async () => { using f = await Deno.open(path, options); return f.statSync().size });
          const s = await t(() => { using f = Deno.openSync(path, options); return f.statSync().size });
          return a === s ? a : [a, s];
        };
        return [
          await open("hello.txt"), await open("nope"),
          await open("x", { write: true }),
          await open("n", { write: true }), await open("n", { write: true, create: true }),
          await open("n", { write: true, createNew: true }),
          await open("hello.txt", { read: false }), await open("hello.txt", { truncate: true }),
          await open("hello.txt", { create: true }),
          await open("hello.txt", { append: true, truncate: true }),
          await open("/etc/passwd"), await open("/etc/passwd", { write: true }),
          await open("/etc/passwd", { read: true, write: true }),
          await t(() => Deno.openSync("hello.txt").writeSync(bytes("x"))),
          await t(() => Deno.openSync("n", { write: true }).readSync(new Uint8Array(1))),
          await t(() => Deno.create("c").then((f) => (f.close(), f instanceof Deno.FsFile))),
          await t(() => Deno.createSync("/etc/c")),
        ];"#,
        r#"[
            5,
            "NotFound: No such file or directory (os error 2): open 'nope' [ENOENT]",
            "IsADirectory: Is a directory (os error 21): open 'x' [EISDIR]",
            "NotFound: No such file or directory (os error 2): open 'n' [ENOENT]",
            0,
            "AlreadyExists: File exists (os error 17): open 'n' [EEXIST]",
            "Error: 'options' requires at least one option to be true",
            "Error: 'truncate' option requires 'write' to be true",
            "Error: 'create' or 'createNew' options require 'write' or 'append' to be true",
            "Error: 'truncate' option requires 'write' to be true",
            "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "NotCapable: Requires write access to \"/etc/passwd\", run again with the --allow-write flag",
            "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "Error: Bad file descriptor (os error 9) [EBADF]",
            "Error: Bad file descriptor (os error 9) [EBADF]",
            true,
            "NotCapable: Requires read access to \"/etc/c\", run again with the --allow-read flag"
        ]"#,
    );
}

#[test]
fn using_closes_a_file() {
    Host::of_the_workspace().gives(
        r#"
        let kept: any;
        { using f = Deno.openSync("hello.txt"); kept = f; }
        return [await t(() => kept.statSync()), await t(() => new (Deno.FsFile as any)(3))];"#,
        r#"[
            "BadResource: Bad resource ID",
            "TypeError: 'Deno.FsFile' cannot be constructed, use 'Deno.open()' or 'Deno.openSync()' instead"
        ]"#,
    );
}

#[test]
fn a_file_is_a_pair_of_streams() {
    Host::of_the_workspace().gives(
        r#"
        const big = "0123456789".repeat(30_000);
        const out = await Deno.open("big", { write: true, create: true });
        const writer = out.writable.getWriter();
        for (let i = 0; i < 3; i++) await writer.write(bytes(big));
        await writer.close();
        const chunks: number[] = [];
        for await (const chunk of (await Deno.open("big")).readable) chunks.push(chunk.length);
        const copy = await Deno.open("copy", { write: true, create: true });
        await (await Deno.open("big")).readable.pipeTo(copy.writable);
        const sizes = ["big", "copy"].map((name) => Deno.statSync(name).size);
        const half = (await Deno.open("big")).readable.getReader();
        const first = (await half.read()).value!.length > 0;
        await half.cancel();
        return [chunks.reduce((a, b) => a + b), sizes, first, await t(() => copy.statSync()),
          await new Response((await Deno.open("hello.txt")).readable).text()];"#,
        r#"[
            900000,
            [900000, 900000],
            true,
            "BadResource: Bad resource ID",
            "hello"
        ]"#,
    );
}
