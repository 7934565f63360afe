//! Deno's file API over the workspace: what is allowed works as in Deno, and what
//! is not fails with Deno's error, in both forms of every function.

use crate::Host;

#[test]
fn files_are_read_whole() {
    Host::of_the_workspace().gives(
        r#"
        return {
          "readTextFile hello.txt": await both("readTextFile", "hello.txt"),
          "text both readFile, hello.txt": text(await both("readFile", "hello.txt")),
          "readFile x/../hello.txt instanceof Uint8Array": await Deno.readFile("x/../hello.txt") instanceof Uint8Array,
          "readTextFile /ws/x/../hello.txt": await both("readTextFile", "@ROOT@/ws/x/../hello.txt"),
          "readTextFile file:///ws/hello.txt": await both("readTextFile", new URL("file://@ROOT@/ws/hello.txt")),
          "readTextFile nope": await both("readTextFile", "nope"),
          "readFile nope/deeper": await both("readFile", "nope/deeper"),
          "readTextFile x": await both("readTextFile", "x"),
          "readTextFile hello.txt/x": (await both("readTextFile", "hello.txt/x")).split(" (")[0],
          "readTextFile /etc/passwd": await both("readTextFile", "/etc/passwd"),
          "readFile ../outside/canary.txt": await both("readFile", "../outside/canary.txt"),
          "readTextFile /ws/../outside/canary.txt": await both("readTextFile", "@ROOT@/ws/../outside/canary.txt"),
          "readTextFile file:///etc/passwd": await both("readTextFile", new URL("file:///etc/passwd")),
        };"#,
        r#"{
            "readTextFile hello.txt": "hello",
            "text both readFile, hello.txt": "hello",
            "readFile x/../hello.txt instanceof Uint8Array": true,
            "readTextFile /ws/x/../hello.txt": "hello",
            "readTextFile file:///ws/hello.txt": "hello",
            "readTextFile nope": "NotFound: No such file or directory (os error 2): readfile 'nope' [ENOENT]",
            "readFile nope/deeper": "NotFound: No such file or directory (os error 2): readfile 'nope/deeper' [ENOENT]",
            "readTextFile x": "IsADirectory: Is a directory (os error 21): readfile 'x' [EISDIR]",
            "readTextFile hello.txt/x": "NotADirectory: Not a directory",
            "readTextFile /etc/passwd": "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "readFile ../outside/canary.txt": "NotCapable: Requires read access to \"../outside/canary.txt\", run again with the --allow-read flag",
            "readTextFile /ws/../outside/canary.txt": "NotCapable: Requires read access to \"@ROOT@/outside/canary.txt\", run again with the --allow-read flag",
            "readTextFile file:///etc/passwd": "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag"
        }"#,
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
        return {
          "writeTextFile w*, one": await both("writeTextFile", "w*", "one"),
          "read w*": read("w*"),
          "writeTextFile w*, 2": await both("writeTextFile", "w*", "2"),
          "read w*, 2": read("w*"),
          "writeTextFile w*, 3, { append: true }": await both("writeTextFile", "w*", "3", { append: true }),
          "read w*, 3": read("w*"),
          "writeFile w*, bytes four": await both("writeFile", "w*", bytes("four")),
          "read w*, 4": read("w*"),
          "writeFile w*, bytes 5 , { append: true }": await both("writeFile", "w*", bytes("5"), { append: true }),
          "read w*, 5": read("w*"),
          "writeTextFile w*, x, { createNew: true }": await both("writeTextFile", "w*", "x", { createNew: true }),
          "read w*, 6": read("w*"),
          "writeTextFile new*, x, { create: false }": await both("writeTextFile", "new*", "x", { create: false }),
          "writeTextFile w*, y, { create: false }": await both("writeTextFile", "w*", "y", { create: false }),
          "read w*, 7": read("w*"),
          "writeTextFile m*, x, { mode: 0o640 }": await both("writeTextFile", "m*", "x", { mode: 0o640 }),
          "m* statSync name .mode! & 0o777": pair("m*", (name) => Deno.statSync(name).mode! & 0o777),
          "writeTextFile streamed, stream": (await Deno.writeTextFile("streamed", stream())) ?? null,
          "readTextFileSync streamed": Deno.readTextFileSync("streamed"),
          "writeTextFile nope/x, x": await both("writeTextFile", "nope/x", "x"),
          "writeTextFile x, x": await both("writeTextFile", "x", "x"),
          "writeTextFile /etc/x, x": await both("writeTextFile", "/etc/x", "x"),
          "writeFile ../outside/victim.txt, bytes x": await both("writeFile", "../outside/victim.txt", bytes("x")),
        };"#,
        r#"{
            "writeTextFile w*, one": "done",
            "read w*": "one",
            "writeTextFile w*, 2": "done",
            "read w*, 2": "2",
            "writeTextFile w*, 3, { append: true }": "done",
            "read w*, 3": "23",
            "writeFile w*, bytes four": "done",
            "read w*, 4": "four",
            "writeFile w*, bytes 5 , { append: true }": "done",
            "read w*, 5": "four5",
            "writeTextFile w*, x, { createNew: true }": "AlreadyExists: File exists (os error 17): writefile 'w*' [EEXIST]",
            "read w*, 6": "four5",
            "writeTextFile new*, x, { create: false }": "NotFound: No such file or directory (os error 2): writefile 'new*' [ENOENT]",
            "writeTextFile w*, y, { create: false }": "done",
            "read w*, 7": "y",
            "writeTextFile m*, x, { mode: 0o640 }": "done",
            "m* statSync name .mode! & 0o777": 416,
            "writeTextFile streamed, stream": null,
            "readTextFileSync streamed": "streamed",
            "writeTextFile nope/x, x": "NotFound: No such file or directory (os error 2): writefile 'nope/x' [ENOENT]",
            "writeTextFile x, x": "IsADirectory: Is a directory (os error 21): writefile 'x' [EISDIR]",
            "writeTextFile /etc/x, x": "NotCapable: Requires write access to \"/etc/x\", run again with the --allow-write flag",
            "writeFile ../outside/victim.txt, bytes x": "NotCapable: Requires write access to \"../outside/victim.txt\", run again with the --allow-write flag"
        }"#,
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
        return {
          "open hello.txt": await open("hello.txt"),
          "open nope": await open("nope"),
          "open x, { write: true }": await open("x", { write: true }),
          "open n, { write: true }": await open("n", { write: true }),
          "open n, { write: true, create: true }": await open("n", { write: true, create: true }),
          "open n, { write: true, createNew: true }": await open("n", { write: true, createNew: true }),
          "open hello.txt, { read: false }": await open("hello.txt", { read: false }),
          "open hello.txt, { truncate: true }": await open("hello.txt", { truncate: true }),
          "open hello.txt, { create: true }": await open("hello.txt", { create: true }),
          "open hello.txt, { append: true, truncate: true }": await open("hello.txt", { append: true, truncate: true }),
          "open /etc/passwd": await open("/etc/passwd"),
          "open /etc/passwd, { write: true }": await open("/etc/passwd", { write: true }),
          "open /etc/passwd, { read: true, write: true }": await open("/etc/passwd", { read: true, write: true }),
          "openSync hello.txt .writeSync bytes x": await t(() => Deno.openSync("hello.txt").writeSync(bytes("x"))),
          "openSync n, { write: true } .readSync new Uint8Array 1": await t(() => Deno.openSync("n", { write: true }).readSync(new Uint8Array(1))),
          "create c .then f to f.close , f instanceof FsFile": await t(() => Deno.create("c").then((f) => (f.close(), f instanceof Deno.FsFile))),
          "createSync /etc/c": await t(() => Deno.createSync("/etc/c")),
        };"#,
        r#"{
            "open hello.txt": 5,
            "open nope": "NotFound: No such file or directory (os error 2): open 'nope' [ENOENT]",
            "open x, { write: true }": "IsADirectory: Is a directory (os error 21): open 'x' [EISDIR]",
            "open n, { write: true }": "NotFound: No such file or directory (os error 2): open 'n' [ENOENT]",
            "open n, { write: true, create: true }": 0,
            "open n, { write: true, createNew: true }": "AlreadyExists: File exists (os error 17): open 'n' [EEXIST]",
            "open hello.txt, { read: false }": "Error: 'options' requires at least one option to be true",
            "open hello.txt, { truncate: true }": "Error: 'truncate' option requires 'write' to be true",
            "open hello.txt, { create: true }": "Error: 'create' or 'createNew' options require 'write' or 'append' to be true",
            "open hello.txt, { append: true, truncate: true }": "Error: 'truncate' option requires 'write' to be true",
            "open /etc/passwd": "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "open /etc/passwd, { write: true }": "NotCapable: Requires write access to \"/etc/passwd\", run again with the --allow-write flag",
            "open /etc/passwd, { read: true, write: true }": "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "openSync hello.txt .writeSync bytes x": "Error: Bad file descriptor (os error 9) [EBADF]",
            "openSync n, { write: true } .readSync new Uint8Array 1": "Error: Bad file descriptor (os error 9) [EBADF]",
            "create c .then f to f.close , f instanceof FsFile": true,
            "createSync /etc/c": "NotCapable: Requires read access to \"/etc/c\", run again with the --allow-read flag"
        }"#,
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
        return {
          "chunks.reduce a, b to a + b": chunks.reduce((a, b) => a + b),
          "sizes": sizes,
          "first": first,
          "copy.statSync": await t(() => copy.statSync()),
          "new Response open hello.txt .readable .text": await new Response((await Deno.open("hello.txt")).readable).text(),
        };"#,
        r#"{
            "chunks.reduce a, b to a + b": 900000,
            "sizes": [900000, 900000],
            "first": true,
            "copy.statSync": "BadResource: Bad resource ID",
            "new Response open hello.txt .readable .text": "hello"
        }"#,
    );
}
