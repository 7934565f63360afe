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
        return {
          "list .": await list("."),
          "same === JSON.stringify list file:///ws/": same === JSON.stringify(await list(new URL("file://@ROOT@/ws/"))),
          "list x": await list("x"),
          "[...readDirSync x ]": [...Deno.readDirSync("x")],
          "list nope": await t(() => list("nope")),
          "[...readDirSync nope ]": await t(() => [...Deno.readDirSync("nope")]),
          "list hello.txt": await t(() => list("hello.txt")),
          "[...readDirSync hello.txt ]": await t(() => [...Deno.readDirSync("hello.txt")]),
          "list /etc": await t(() => list("/etc")),
          "[...readDirSync .. ]": await t(() => [...Deno.readDirSync("..")]),
        };"#,
        r#"{
            "list .": [["fakebin", false, true, false], ["fifo", false, false, false], ["hello.txt", true, false, false], ["link_out", false, false, true], ["link_out2", false, false, true], ["link_proc", false, false, true], ["linkdir_out", false, false, true], ["secret", false, true, false], ["sparse", true, false, false], ["swap", false, true, false], ["tool.sh", true, false, false], ["x", false, true, false]],
            "same === JSON.stringify list file:///ws/": true,
            "list x": [],
            "[...readDirSync x ]": [],
            "list nope": "NotFound: No such file or directory (os error 2): readdir 'nope' [ENOENT]",
            "[...readDirSync nope ]": "NotFound: No such file or directory (os error 2): readdir 'nope' [ENOENT]",
            "list hello.txt": "NotADirectory: Not a directory (os error 20): readdir 'hello.txt' [ENOTDIR]",
            "[...readDirSync hello.txt ]": "NotADirectory: Not a directory (os error 20): readdir 'hello.txt' [ENOTDIR]",
            "list /etc": "NotCapable: Requires read access to \"/etc\", run again with the --allow-read flag",
            "[...readDirSync .. ]": "NotCapable: Requires read access to \"..\", run again with the --allow-read flag"
        }"#,
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
        return {
          "info.size": info.size,
          "info.mode! & 0o7777": info.mode! & 0o7777,
          "info.nlink": info.nlink,
          "info.isFifo": info.isFifo,
          "info.mtime instanceof Date": info.mtime instanceof Date,
          "Math.abs Date.now - info.mtime!.getTime < 60_000": Math.abs(Date.now() - info.mtime!.getTime()) < 60_000,
          "typeof info.ino": typeof info.ino,
          "info.blocks! > 0": info.blocks! > 0,
          "info.isSocket": info.isSocket,
          "info.isBlockDevice": info.isBlockDevice,
          "info.isCharDevice": info.isCharDevice,
          "info.uid === statSync x .uid": info.uid === Deno.statSync("x").uid,
          "info.atime instanceof Date": info.atime instanceof Date,
          "info.ctime instanceof Date": info.ctime instanceof Date,
          "Object.keys info .sort": Object.keys(info).sort(),
          "kind stat, hello.txt": await kind("stat", "hello.txt"),
          "kind stat, x": await kind("stat", "x"),
          "kind lstat, x": await kind("lstat", "x"),
          "kind lstat, link_out": await kind("lstat", "link_out"),
          "kind stat, nope": await kind("stat", "nope"),
          "kind lstat, nope": await kind("lstat", "nope"),
          "kind stat, /etc/passwd": await kind("stat", "/etc/passwd"),
          "kind lstat, ../outside": await kind("lstat", "../outside"),
        };"#,
        r#"{
            "info.size": 5,
            "info.mode! & 0o7777": 420,
            "info.nlink": 1,
            "info.isFifo": false,
            "info.mtime instanceof Date": true,
            "Math.abs Date.now - info.mtime!.getTime < 60_000": true,
            "typeof info.ino": "number",
            "info.blocks! > 0": true,
            "info.isSocket": false,
            "info.isBlockDevice": false,
            "info.isCharDevice": false,
            "info.uid === statSync x .uid": true,
            "info.atime instanceof Date": true,
            "info.ctime instanceof Date": true,
            "Object.keys info .sort": ["atime", "birthtime", "blksize", "blocks", "ctime", "dev", "gid", "ino", "isBlockDevice", "isCharDevice", "isDirectory", "isFifo", "isFile", "isSocket", "isSymlink", "mode", "mtime", "nlink", "rdev", "size", "uid"],
            "kind stat, hello.txt": [true, false, false],
            "kind stat, x": [false, true, false],
            "kind lstat, x": [false, true, false],
            "kind lstat, link_out": [false, false, true],
            "kind stat, nope": "NotFound: No such file or directory (os error 2): stat 'nope' [ENOENT]",
            "kind lstat, nope": "NotFound: No such file or directory (os error 2): lstat 'nope' [ENOENT]",
            "kind stat, /etc/passwd": "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "kind lstat, ../outside": "NotCapable: Requires read access to \"../outside\", run again with the --allow-read flag"
        }"#,
    );
}

#[test]
fn directories_are_made() {
    Host::of_the_workspace().gives(
        r#"
        const mode = (name: string) => pair(name, (path) => Deno.statSync(path).mode! & 0o777);
        return {
          "mkdir d*": await both("mkdir", "d*"),
          "mkdir d*, 2": await both("mkdir", "d*"),
          "mkdir d*, { recursive: true }": await both("mkdir", "d*", { recursive: true }),
          "mkdir p*/q/r": await both("mkdir", "p*/q/r"),
          "mkdir p*/q/r, { recursive: true }": await both("mkdir", "p*/q/r", { recursive: true }),
          "mkdir m*, { mode: 0o700 }": await both("mkdir", "m*", { mode: 0o700 }),
          "mode m*": mode("m*"),
          "mkdir hello.txt": await both("mkdir", "hello.txt"),
          "mkdir hello.txt, { recursive: true }": await both("mkdir", "hello.txt", { recursive: true }),
          "mkdir /etc/x": await both("mkdir", "/etc/x"),
          "mkdir ../outside/x, { recursive: true }": await both("mkdir", "../outside/x", { recursive: true }),
          "[...readDirSync pa/q ].map e to e.name": [...Deno.readDirSync("pa/q")].map((e) => e.name),
        };"#,
        r#"{
            "mkdir d*": "done",
            "mkdir d*, 2": "AlreadyExists: File exists (os error 17): mkdir 'd*' [EEXIST]",
            "mkdir d*, { recursive: true }": "done",
            "mkdir p*/q/r": "NotFound: No such file or directory (os error 2): mkdir 'p*/q/r' [ENOENT]",
            "mkdir p*/q/r, { recursive: true }": "done",
            "mkdir m*, { mode: 0o700 }": "done",
            "mode m*": 448,
            "mkdir hello.txt": "AlreadyExists: File exists (os error 17): mkdir 'hello.txt' [EEXIST]",
            "mkdir hello.txt, { recursive: true }": "AlreadyExists: File exists (os error 17): mkdir 'hello.txt' [EEXIST]",
            "mkdir /etc/x": "NotCapable: Requires write access to \"/etc/x\", run again with the --allow-write flag",
            "mkdir ../outside/x, { recursive: true }": "NotCapable: Requires write access to \"../outside/x\", run again with the --allow-write flag",
            "[...readDirSync pa/q ].map e to e.name": ["r"]
        }"#,
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
        return {
          "remove f*": await both("remove", "f*"),
          "remove f*, 2": await both("remove", "f*"),
          "remove empty*": await both("remove", "empty*"),
          "remove d*": await both("remove", "d*"),
          "remove d*, { recursive: true }": await both("remove", "d*", { recursive: true }),
          "remove nope, { recursive: true }": await both("remove", "nope", { recursive: true }),
          "remove /etc/passwd": await both("remove", "/etc/passwd"),
          "remove ../outside, { recursive: true }": await both("remove", "../outside", { recursive: true }),
        };"#,
        r#"{
            "remove f*": "done",
            "remove f*, 2": "NotFound: No such file or directory (os error 2): remove 'f*' [ENOENT]",
            "remove empty*": "done",
            "remove d*": "Error: Directory not empty (os error 39): remove 'd*' [ENOTEMPTY]",
            "remove d*, { recursive: true }": "done",
            "remove nope, { recursive: true }": "NotFound: No such file or directory (os error 2): remove 'nope' [ENOENT]",
            "remove /etc/passwd": "NotCapable: Requires write access to \"/etc/passwd\", run again with the --allow-write flag",
            "remove ../outside, { recursive: true }": "NotCapable: Requires write access to \"../outside\", run again with the --allow-write flag"
        }"#,
    );
}

#[test]
fn files_are_moved_and_copied() {
    Host::of_the_workspace().gives(
        r#"
        for (const x of ["a", "s"]) { Deno.writeTextFileSync(`f${x}`, "f"); Deno.mkdirSync(`d${x}`) }
        Deno.chmodSync("fa", 0o640);
        return {
          "copyFile f*, c*": await both("copyFile", "f*", "c*"),
          "read c*": read("c*"),
          "statSync ca .mode! & 0o777": Deno.statSync("ca").mode! & 0o777,
          "copyFile hello.txt, c*": await both("copyFile", "hello.txt", "c*"),
          "read c*, 2": read("c*"),
          "rename c*, r*": await both("rename", "c*", "r*"),
          "read r*": read("r*"),
          "stat c*": await both("stat", "c*"),
          "rename d*, e*": await both("rename", "d*", "e*"),
          "rename hello.txt, x": await both("rename", "hello.txt", "x"),
          "rename nope, r*": await both("rename", "nope", "r*"),
          "rename r*, no/r": await both("rename", "r*", "no/r"),
          "copyFile nope, c*": await both("copyFile", "nope", "c*"),
          "copyFile x, c*": await both("copyFile", "x", "c*"),
          "copyFile hello.txt, x": await both("copyFile", "hello.txt", "x"),
          "copyFile hello.txt, no/x": await both("copyFile", "hello.txt", "no/x"),
          "rename hello.txt, ../outside/h": await both("rename", "hello.txt", "../outside/h"),
          "rename ../outside/victim.txt, v": await both("rename", "../outside/victim.txt", "v"),
          "copyFile hello.txt, ../outside/victim.txt": await both("copyFile", "hello.txt", "../outside/victim.txt"),
          "copyFile /etc/passwd, p": await both("copyFile", "/etc/passwd", "p"),
        };"#,
        r#"{
            "copyFile f*, c*": "done",
            "read c*": "f",
            "statSync ca .mode! & 0o777": 416,
            "copyFile hello.txt, c*": "done",
            "read c*, 2": "hello",
            "rename c*, r*": "done",
            "read r*": "hello",
            "stat c*": "NotFound: No such file or directory (os error 2): stat 'c*' [ENOENT]",
            "rename d*, e*": "done",
            "rename hello.txt, x": "IsADirectory: Is a directory (os error 21): rename 'hello.txt' -> 'x' [EISDIR]",
            "rename nope, r*": "NotFound: No such file or directory (os error 2): rename 'nope' -> 'r*' [ENOENT]",
            "rename r*, no/r": "NotFound: No such file or directory (os error 2): rename 'r*' -> 'no/r' [ENOENT]",
            "copyFile nope, c*": "NotFound: No such file or directory (os error 2): copy 'nope' -> 'c*' [ENOENT]",
            "copyFile x, c*": "TypeError: the source path is neither a regular file nor a symlink to a regular file: copy 'x' -> 'c*' [EINVAL]",
            "copyFile hello.txt, x": "IsADirectory: Is a directory (os error 21): copy 'hello.txt' -> 'x' [EISDIR]",
            "copyFile hello.txt, no/x": "NotFound: No such file or directory (os error 2): copy 'hello.txt' -> 'no/x' [ENOENT]",
            "rename hello.txt, ../outside/h": "NotCapable: Requires write access to \"../outside/h\", run again with the --allow-write flag",
            "rename ../outside/victim.txt, v": "NotCapable: Requires read access to \"../outside/victim.txt\", run again with the --allow-read flag",
            "copyFile hello.txt, ../outside/victim.txt": "NotCapable: Requires write access to \"../outside/victim.txt\", run again with the --allow-write flag",
            "copyFile /etc/passwd, p": "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag"
        }"#,
    );
}

#[test]
fn files_are_cut_and_filled() {
    Host::of_the_workspace().gives(
        r#"
        for (const x of ["a", "s"]) Deno.writeTextFileSync(`f${x}`, "0123456789");
        const size = () => pair("f*", (path) => Deno.readFileSync(path).length);
        return {
          "truncate f*, 4": await both("truncate", "f*", 4),
          "size": size(),
          "truncate f*, 9": await both("truncate", "f*", 9),
          "size, 2": size(),
          "truncate f*": await both("truncate", "f*"),
          "size, 3": size(),
          "truncate nope, 1": await both("truncate", "nope", 1),
          "truncate x, 1": await both("truncate", "x", 1),
          "truncate /etc/passwd": await both("truncate", "/etc/passwd"),
        };"#,
        r#"{
            "truncate f*, 4": "done",
            "size": 4,
            "truncate f*, 9": "done",
            "size, 2": 9,
            "truncate f*": "done",
            "size, 3": 0,
            "truncate nope, 1": "NotFound: No such file or directory (os error 2): truncate 'nope' [ENOENT]",
            "truncate x, 1": "IsADirectory: Is a directory (os error 21): truncate 'x' [EISDIR]",
            "truncate /etc/passwd": "NotCapable: Requires write access to \"/etc/passwd\", run again with the --allow-write flag"
        }"#,
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
        return {
          "utime f*, 1, new Date 2500": await both("utime", "f*", 1, new Date(2500)),
          "times .slice 0, 2": times().slice(0, 2),
          "chmod f*, 0o600": await both("chmod", "f*", 0o600),
          "times [2]": times()[2],
          "utime nope, 1, 2": await both("utime", "nope", 1, 2),
          "chmod nope, 0o600": await both("chmod", "nope", 0o600),
          "utime /etc/passwd, 1, 2": await both("utime", "/etc/passwd", 1, 2),
          "chmod /etc/passwd, 0o600": await both("chmod", "/etc/passwd", 0o600),
        };"#,
        r#"{
            "utime f*, 1, new Date 2500": "done",
            "times .slice 0, 2": [1000, 2500],
            "chmod f*, 0o600": "done",
            "times [2]": 384,
            "utime nope, 1, 2": "NotFound: No such file or directory (os error 2): utime 'nope' [ENOENT]",
            "chmod nope, 0o600": "NotFound: No such file or directory (os error 2): chmod 'nope' [ENOENT]",
            "utime /etc/passwd, 1, 2": "NotCapable: Requires write access to \"/etc/passwd\", run again with the --allow-write flag",
            "chmod /etc/passwd, 0o600": "NotCapable: Requires write access to \"/etc/passwd\", run again with the --allow-write flag"
        }"#,
    );
}

#[test]
fn the_real_path_is_told() {
    Host::of_the_workspace().gives(
        r#"
        return {
          "realPath .": await both("realPath", "."),
          "realPath x/../hello.txt": await both("realPath", "x/../hello.txt"),
          "realPath nope": await both("realPath", "nope"),
          "realPath /etc/passwd": await both("realPath", "/etc/passwd"),
          "realPath ..": await both("realPath", ".."),
        };"#,
        r#"{
            "realPath .": "@ROOT@/ws",
            "realPath x/../hello.txt": "@ROOT@/ws/hello.txt",
            "realPath nope": "NotFound: No such file or directory (os error 2): realpath 'nope' [ENOENT]",
            "realPath /etc/passwd": "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "realPath ..": "NotCapable: Requires read access to \"..\", run again with the --allow-read flag"
        }"#,
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
