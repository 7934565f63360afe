//! Deno's API for directories and for what files are called and belong to, in
//! both forms of every function, as in Deno.

use crate::Host;

#[test]
fn directories_are_listed() {
    Host::of_the_workspace().gives(
        r#"
        const kind = (e: Deno.DirEntry) => [e.name, e.isFile, e.isDirectory, e.isSymlink];
        const list = async (path: string | URL) => {
          const entries = [];
          for await (const entry of Deno.readDir(path)) entries.push(kind(entry));
          return entries.sort();
        };
        const same = JSON.stringify([...Deno.readDirSync(".")].map(kind).sort());
        return [
          await list("."), same === JSON.stringify(await list(new URL("file://@ROOT@/ws/"))),
          await list("x"), [...Deno.readDirSync("x")],
          await t(() => list("nope")), await t(() => [...Deno.readDirSync("nope")]),
          await t(() => list("hello.txt")), await t(() => [...Deno.readDirSync("hello.txt")]),
          await t(() => list("/etc")), await t(() => [...Deno.readDirSync("..")]),
        ];"#,
        r#"[
            [["fakebin", false, true, false], ["fifo", false, false, false], ["hello.txt", true, false, false], ["link_out", false, false, true], ["link_out2", false, false, true], ["link_proc", false, false, true], ["linkdir_out", false, false, true], ["secret", false, true, false], ["sparse", true, false, false], ["swap", false, true, false], ["tool.sh", true, false, false], ["x", false, true, false]],
            true,
            [],
            [],
            "NotFound: No such file or directory (os error 2): readdir 'nope' [ENOENT]",
            "NotFound: No such file or directory (os error 2): readdir 'nope' [ENOENT]",
            "NotADirectory: Not a directory (os error 20): readdir 'hello.txt' [ENOTDIR]",
            "NotADirectory: Not a directory (os error 20): readdir 'hello.txt' [ENOTDIR]",
            "NotCapable: Requires read access to \"/etc\", run again with the --allow-read flag",
            "NotCapable: Requires read access to \"..\", run again with the --allow-read flag"
        ]"#,
    );
}

#[test]
fn files_are_described() {
    Host::of_the_workspace().gives(
        r#"
        const info = await Deno.stat("hello.txt");
        const told = (s: any) => s.isFile === undefined ? s : [s.isFile, s.isDirectory, s.isSymlink];
        const kind = async (name: string, path: string) => {
          const [a, s] = [await t(() => D[name](path)), await t(() => D[name + "Sync"](path))].map(told);
          return `${a}` === `${s}` ? a : [a, s];
        };
        return [
          info.size, info.mode! & 0o7777, info.nlink, info.isFifo, info.mtime instanceof Date,
          Math.abs(Date.now() - info.mtime!.getTime()) < 60_000, typeof info.ino, info.blocks! > 0,
          info.isSocket, info.isBlockDevice, info.isCharDevice, info.uid === Deno.statSync("x").uid,
          info.atime instanceof Date, info.ctime instanceof Date, Object.keys(info).sort(),
          await kind("stat", "hello.txt"), await kind("stat", "x"), await kind("lstat", "x"),
          await kind("lstat", "link_out"), await kind("stat", "nope"), await kind("lstat", "nope"),
          await kind("stat", "/etc/passwd"), await kind("lstat", "../outside"),
        ];"#,
        r#"[
            5,
            420,
            1,
            false,
            true,
            true,
            "number",
            true,
            false,
            false,
            false,
            true,
            true,
            true,
            ["atime", "birthtime", "blksize", "blocks", "ctime", "dev", "gid", "ino", "isBlockDevice", "isCharDevice", "isDirectory", "isFifo", "isFile", "isSocket", "isSymlink", "mode", "mtime", "nlink", "rdev", "size", "uid"],
            [true, false, false],
            [false, true, false],
            [false, true, false],
            [false, false, true],
            "NotFound: No such file or directory (os error 2): stat 'nope' [ENOENT]",
            "NotFound: No such file or directory (os error 2): lstat 'nope' [ENOENT]",
            "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "NotCapable: Requires read access to \"../outside\", run again with the --allow-read flag"
        ]"#,
    );
}

#[test]
fn directories_are_made() {
    Host::of_the_workspace().gives(
        r#"
        const mode = (name: string) => pair(name, (path) => Deno.statSync(path).mode! & 0o777);
        return [
          await both("mkdir", "d*"), await both("mkdir", "d*"),
          await both("mkdir", "d*", { recursive: true }),
          await both("mkdir", "p*/q/r"), await both("mkdir", "p*/q/r", { recursive: true }),
          await both("mkdir", "m*", { mode: 0o700 }), mode("m*"),
          await both("mkdir", "hello.txt"), await both("mkdir", "hello.txt", { recursive: true }),
          await both("mkdir", "/etc/x"), await both("mkdir", "../outside/x", { recursive: true }),
          [...Deno.readDirSync("pa/q")].map((e) => e.name),
        ];"#,
        r#"[
            "done",
            "AlreadyExists: File exists (os error 17): mkdir 'd*' [EEXIST]",
            "done",
            "NotFound: No such file or directory (os error 2): mkdir 'p*/q/r' [ENOENT]",
            "done",
            "done",
            448,
            "AlreadyExists: File exists (os error 17): mkdir 'hello.txt' [EEXIST]",
            "AlreadyExists: File exists (os error 17): mkdir 'hello.txt' [EEXIST]",
            "NotCapable: Requires write access to \"/etc/x\", run again with the --allow-write flag",
            "NotCapable: Requires write access to \"../outside/x\", run again with the --allow-write flag",
            ["r"]
        ]"#,
    );
}

#[test]
fn files_and_directories_are_removed() {
    Host::of_the_workspace().gives(
        r#"
        for (const x of ["a", "s"]) {
          Deno.mkdirSync(`d${x}/e`, { recursive: true });
          Deno.writeTextFileSync(`d${x}/e/f`, "");
          Deno.mkdirSync(`empty${x}`);
          Deno.writeTextFileSync(`f${x}`, "");
        }
        return [
          await both("remove", "f*"), await both("remove", "f*"), await both("remove", "empty*"),
          await both("remove", "d*"), await both("remove", "d*", { recursive: true }),
          await both("remove", "nope", { recursive: true }),
          await both("remove", "/etc/passwd"), await both("remove", "../outside", { recursive: true }),
        ];"#,
        r#"[
            "done",
            "NotFound: No such file or directory (os error 2): remove 'f*' [ENOENT]",
            "done",
            "Error: Directory not empty (os error 39): remove 'd*' [ENOTEMPTY]",
            "done",
            "NotFound: No such file or directory (os error 2): remove 'nope' [ENOENT]",
            "NotCapable: Requires write access to \"/etc/passwd\", run again with the --allow-write flag",
            "NotCapable: Requires write access to \"../outside\", run again with the --allow-write flag"
        ]"#,
    );
}

#[test]
fn files_are_moved_and_copied() {
    Host::of_the_workspace().gives(
        r#"
        for (const x of ["a", "s"]) { Deno.writeTextFileSync(`f${x}`, "f"); Deno.mkdirSync(`d${x}`) }
        Deno.chmodSync("fa", 0o640);
        return [
          await both("copyFile", "f*", "c*"), read("c*"), Deno.statSync("ca").mode! & 0o777,
          await both("copyFile", "hello.txt", "c*"), read("c*"),
          await both("rename", "c*", "r*"), read("r*"), await both("stat", "c*"),
          await both("rename", "d*", "e*"), await both("rename", "hello.txt", "x"),
          await both("rename", "nope", "r*"), await both("rename", "r*", "no/r"),
          await both("copyFile", "nope", "c*"), await both("copyFile", "x", "c*"),
          await both("copyFile", "hello.txt", "x"), await both("copyFile", "hello.txt", "no/x"),
          await both("rename", "hello.txt", "../outside/h"),
          await both("rename", "../outside/victim.txt", "v"),
          await both("copyFile", "hello.txt", "../outside/victim.txt"),
          await both("copyFile", "/etc/passwd", "p"),
        ];"#,
        r#"[
            "done",
            "f",
            416,
            "done",
            "hello",
            "done",
            "hello",
            "NotFound: No such file or directory (os error 2): stat 'c*' [ENOENT]",
            "done",
            "IsADirectory: Is a directory (os error 21): rename 'hello.txt' -> 'x' [EISDIR]",
            "NotFound: No such file or directory (os error 2): rename 'nope' -> 'r*' [ENOENT]",
            "NotFound: No such file or directory (os error 2): rename 'r*' -> 'no/r' [ENOENT]",
            "NotFound: No such file or directory (os error 2): copy 'nope' -> 'c*' [ENOENT]",
            "TypeError: the source path is neither a regular file nor a symlink to a regular file: copy 'x' -> 'c*' [EINVAL]",
            "IsADirectory: Is a directory (os error 21): copy 'hello.txt' -> 'x' [EISDIR]",
            "NotFound: No such file or directory (os error 2): copy 'hello.txt' -> 'no/x' [ENOENT]",
            "NotCapable: Requires write access to \"../outside/h\", run again with the --allow-write flag",
            "NotCapable: Requires read access to \"../outside/victim.txt\", run again with the --allow-read flag",
            "NotCapable: Requires write access to \"../outside/victim.txt\", run again with the --allow-write flag",
            "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag"
        ]"#,
    );
}

#[test]
fn files_are_cut_and_filled() {
    Host::of_the_workspace().gives(
        r#"
        for (const x of ["a", "s"]) Deno.writeTextFileSync(`f${x}`, "0123456789");
        const size = () => pair("f*", (path) => Deno.readFileSync(path).length);
        return [
          await both("truncate", "f*", 4), size(), await both("truncate", "f*", 9), size(),
          await both("truncate", "f*"), size(), await both("truncate", "nope", 1),
          await both("truncate", "x", 1), await both("truncate", "/etc/passwd"),
        ];"#,
        r#"[
            "done",
            4,
            "done",
            9,
            "done",
            0,
            "NotFound: No such file or directory (os error 2): truncate 'nope' [ENOENT]",
            "IsADirectory: Is a directory (os error 21): truncate 'x' [EISDIR]",
            "NotCapable: Requires write access to \"/etc/passwd\", run again with the --allow-write flag"
        ]"#,
    );
}

#[test]
fn times_and_modes_are_set() {
    Host::of_the_workspace().gives(
        r#"
        for (const x of ["a", "s"]) Deno.writeTextFileSync(`f${x}`, "");
        const times = () => pair("f*", (path) => {
          const { atime, mtime, mode } = Deno.statSync(path);
          return [atime!.getTime(), mtime!.getTime(), mode! & 0o7777];
        }) as number[];
        return [
          await both("utime", "f*", 1, new Date(2500)), times().slice(0, 2),
          await both("chmod", "f*", 0o600), times()[2],
          await both("utime", "nope", 1, 2), await both("chmod", "nope", 0o600),
          await both("utime", "/etc/passwd", 1, 2), await both("chmod", "/etc/passwd", 0o600),
        ];"#,
        r#"[
            "done",
            [1000, 2500],
            "done",
            384,
            "NotFound: No such file or directory (os error 2): utime 'nope' [ENOENT]",
            "NotFound: No such file or directory (os error 2): chmod 'nope' [ENOENT]",
            "NotCapable: Requires write access to \"/etc/passwd\", run again with the --allow-write flag",
            "NotCapable: Requires write access to \"/etc/passwd\", run again with the --allow-write flag"
        ]"#,
    );
}

#[test]
fn the_real_path_is_told() {
    Host::of_the_workspace().gives(
        r#"
        return [
          await both("realPath", "."), await both("realPath", "x/../hello.txt"),
          await both("realPath", "nope"), await both("realPath", "/etc/passwd"),
          await both("realPath", ".."),
        ];"#,
        r#"[
            "@ROOT@/ws",
            "@ROOT@/ws/hello.txt",
            "NotFound: No such file or directory (os error 2): realpath 'nope' [ENOENT]",
            "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "NotCapable: Requires read access to \"..\", run again with the --allow-read flag"
        ]"#,
    );
}

#[test]
fn the_working_directory_is_the_runs_own() {
    let host = Host::of_the_workspace();
    host.gives(
        r#"
        const seen: unknown[] = [Deno.cwd() === WORKSPACE_DIR, Deno.chdir("x"), Deno.cwd()];
        Deno.writeTextFileSync("here", "x");
        seen.push(Deno.realPathSync("here"), Deno.chdir(new URL("file://@ROOT@/ws/swap/")));
        seen.push(Deno.readTextFileSync("canary.txt"), Deno.readTextFileSync("../hello.txt"));
        seen.push(await t(() => Deno.chdir("nope")), await t(() => Deno.chdir("canary.txt")));
        seen.push(await t(() => Deno.chdir("/etc")), await t(() => Deno.chdir("../../outside")));
        return seen.concat(Deno.cwd()).map((x) => x ?? null);"#,
        r#"[
            true,
            null,
            "@ROOT@/ws/x",
            "@ROOT@/ws/x/here",
            null,
            "inside",
            "hello",
            "NotFound: No such file or directory (os error 2): chdir 'nope' [ENOENT]",
            "NotADirectory: Not a directory (os error 20): chdir 'canary.txt' [ENOTDIR]",
            "NotCapable: Requires read access to \"/etc\", run again with the --allow-read flag",
            "NotCapable: Requires read access to \"../../outside\", run again with the --allow-read flag",
            "@ROOT@/ws/swap"
        ]"#,
    );
    assert_eq!(host.value("Deno.cwd()"), "@ROOT@/ws");
}
