//! `node:fs` over the workspace.

use super::NODE;
use crate::{Host, WORKSPACE};

#[track_caller]
fn gives(grants: &str, program: &str, expected: &str) {
    Host::with_grants(grants).gives(&format!("{NODE}{program}"), expected);
}

#[test]
fn files_are_written_and_read_in_every_form() {
    gives(
        WORKSPACE,
        r#"
        fs.writeFileSync("a", "sync"); await fsp.writeFile("b", "promise");
        await new Promise((done) => fs.writeFile("c", "callback", done));
        fs.appendFileSync("a", "+more");
        return [fs.readFileSync("a", "utf8"), await fsp.readFile("b", "utf8"),
          await new Promise((done) => fs.readFile("c", "utf8", (_: unknown, text: string) => done(text)))];"#,
        r#"["sync+more", "promise", "callback"]"#,
    );
}

#[test]
fn an_error_has_the_code_the_number_the_call_and_the_path() {
    gives(
        WORKSPACE,
        r#"
        const parts = (e: any) => [e.code, e.errno, e.syscall, e.path, e.message];
        const promised = await fsp.readFile("nope").catch(parts);
        try { fs.statSync("nope"); } catch (e) { return [parts(e), promised]; }"#,
        r#"[
            ["ENOENT", -2, "stat", "nope", "ENOENT: no such file or directory, stat 'nope'"],
            ["ENOENT", -2, "open", "nope", "ENOENT: no such file or directory, open 'nope'"]
        ]"#,
    );
}

#[test]
fn what_is_not_granted_is_eacces_with_the_grant_in_its_sentence() {
    let denied =
        r#""EACCES Requires read access to \"/etc/passwd\", run again with the --allow-read flag""#;
    let written =
        r#""EACCES Requires write access to \"/etc/x\", run again with the --allow-write flag""#;
    gives(
        WORKSPACE,
        r#"return [
          await failure(() => fs.readFileSync("/etc/passwd")),
          await failure(() => fsp.readFile("/etc/passwd")),
          await failure(() => fs.openSync("/etc/passwd")),
          await failure(() => fsp.stat("/etc/passwd")),
          await failure(() => fs.readdirSync("/etc/passwd")),
          await failure(() => fs.writeFileSync("/etc/x", "x")),
          await failure(() => fs.mkdirSync("/etc/x")),
          fs.existsSync("/etc/passwd"),
        ];"#,
        &format!("[{denied}, {denied}, {denied}, {denied}, {denied}, {written}, {written}, false]"),
    );
}

#[test]
fn access_asks_the_run_and_the_file() {
    gives(
        "allow-read=@ROOT@/ws",
        r#"
        const { R_OK, W_OK, X_OK } = fs.constants;
        const may = async (mode: number) => (await failure(() => fsp.access("hello.txt", mode))).split(":")[0];
        return [await may(R_OK), await may(W_OK), await may(X_OK)];"#,
        r#"["nothing was thrown", "EACCES EACCES", "EACCES EACCES"]"#,
    );
}

#[test]
fn a_position_does_not_move_where_reading_goes_on() {
    gives(
        WORKSPACE,
        r#"
        fs.writeFileSync("digits", "0123456789");
        const file = await fsp.open("digits");
        const readAt = async (length: number, position: number | null) =>
          (await file.read(Buffer.alloc(length), 0, length, position)).buffer.toString();
        const first = await readAt(2, null);
        const placed = await Promise.all([readAt(2, 7), readAt(2, 0), readAt(2, 5)]);
        const next = await readAt(3, null);
        await file.close();
        return [first, placed, next];"#,
        r#"["01", ["78", "01", "56"], "234"]"#,
    );
}

#[test]
fn descriptors_are_written_read_changed_and_closed() {
    gives(
        WORKSPACE,
        r#"
        const fd = fs.openSync("f", "w+");
        fs.writeSync(fd, "0123456789"); fs.writeSync(fd, Buffer.from("ab"), 0, 2, 2); fs.ftruncateSync(fd, 7);
        fs.writeSync(fd, "6", 5); fs.writeSync(fd, "7", null);
        fs.fchmodSync(fd, 0o600); fs.fsyncSync(fd);
        const { size, mode } = fs.fstatSync(fd);
        fs.closeSync(fd);
        const closed = await failure(() => fs.fstatSync(fd));
        return [fd > 2, size, mode & 0o777, fs.readFileSync("f", "utf8"), closed.split(":")[0]];"#,
        r#"[true, 11, 384, "01ab466\u0000\u0000\u00007", "EBADF EBADF"]"#,
    );
}

#[test]
fn flags_that_protect_a_program_are_kept_or_refused() {
    gives(
        WORKSPACE,
        r#"
        const { O_NOFOLLOW, O_DIRECTORY, O_DSYNC, O_RDONLY, O_WRONLY, O_CREAT } = fs.constants;
        const code = async (action: () => unknown) => (await failure(action)).split(":")[0];
        const NOFOLLOW = 0o400000, DIRECTORY = 0o200000;
        fs.writeFileSync("synced", "1", { flag: "as" }); await fsp.appendFile("synced", "2", { flag: "as" });
        const fd = fs.openSync("synced", O_WRONLY | O_DSYNC); fs.writeSync(fd, "0"); fs.closeSync(fd);
        return [
          O_NOFOLLOW === undefined && O_DIRECTORY === undefined, fs.readFileSync("synced", "utf8"),
          await code(() => fs.openSync("made", O_WRONLY | O_CREAT | NOFOLLOW)), fs.existsSync("made"),
          await code(() => fsp.open("hello.txt", O_RDONLY | NOFOLLOW)),
          await code(() => new Promise((done, fail) => fs.open("hello.txt", NOFOLLOW, (e: unknown) => e ? fail(e) : done(0)))),
          await code(() => fs.readFileSync("hello.txt", { flag: NOFOLLOW })),
          await code(() => fsp.readFile("hello.txt", { flag: NOFOLLOW })),
          await code(() => fs.openSync(".", DIRECTORY)),
          await code(() => fs.openSync("hello.txt", 0o10000000)),
        ];"#,
        r#"[
            true, "02",
            "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM fs.open() with O_NOFOLLOW is not available here", false,
            "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM fs.open() with O_NOFOLLOW is not available here",
            "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM fs.open() with O_NOFOLLOW is not available here",
            "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM fs.open() with O_NOFOLLOW is not available here",
            "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM fs.open() with O_NOFOLLOW is not available here",
            "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM fs.open() with O_DIRECTORY is not available here",
            "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM fs.open() with the flag 0o10000000 is not available here"
        ]"#,
    );
}

#[test]
fn streams_of_files_are_joined_with_others() {
    gives(
        WORKSPACE,
        r#"
        const { pipeline } = require("node:stream/promises"), zlib = require("node:zlib");
        fs.writeFileSync("text", "line\n".repeat(100_000));
        await pipeline(fs.createReadStream("text"), zlib.createGzip(), fs.createWriteStream("packed"));
        await pipeline(fs.createReadStream("packed"), zlib.createGunzip(), fs.createWriteStream("back"));
        let part = "";
        for await (const chunk of fs.createReadStream("text", { start: 2, end: 7 })) part += chunk;
        return [fs.statSync("packed").size < 5000, fs.statSync("back").size, part];"#,
        r#"[true, 500000, "ne\nlin"]"#,
    );
}

#[test]
fn directories_are_made_listed_copied_and_removed() {
    gives(
        WORKSPACE,
        r#"
        fs.mkdirSync("d/e", { recursive: true }); fs.writeFileSync("d/e/f", "x");
        fs.symlinkSync("e/f", "d/link");
        fs.cpSync("d", "sync", { recursive: true });
        await fsp.cp("d", "deep/async", { recursive: true, filter: (from: string) => !from.endsWith("link") });
        const lists = [fs.readdirSync("sync"), await fsp.readdir("deep/async"),
          fs.readdirSync("d", { recursive: true }).sort()];
        const full = (await failure(() => fs.rmdirSync("sync"))).split(":")[0];
        await fsp.rm("sync", { recursive: true }); fs.rmSync("nothing", { force: true });
        const made = fs.mkdtempSync("d/t-");
        return [lists, full, fs.existsSync("sync"), made.replace(/\w+$/, "*"), fs.statSync(made).isDirectory()];"#,
        r#"[[["e", "link"], ["e"], ["e", "e/f", "link"]], "ENOTEMPTY ENOTEMPTY", false, "d/t-*", true]"#,
    );
}

#[test]
fn the_owner_of_a_file_is_not_changed_and_nothing_is_watched() {
    gives(
        WORKSPACE,
        r#"
        const watched = new Promise((done) => fs.watch("hello.txt").on("error", (e: Error) => done(e.message)));
        return [(await failure(() => fs.chownSync("hello.txt", 1, 1))).split(":")[0], await watched];"#,
        r#"["EPERM EPERM", "fs.watch() is not available here: look at fs.stat().mtime"]"#,
    );
}
