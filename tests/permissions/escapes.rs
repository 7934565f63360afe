//! Ways out of a grant that reviewers found, and those beside them that stay open.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::json;

use crate::fixture::Fixture;
use crate::{Host, WORKSPACE};

/// A slash in a temporary name is refused before anything is looked at: the answer
/// does not tell what is there.
#[test]
fn a_part_of_a_temporary_name_is_no_path() {
    let files = Fixture::new();
    fs::create_dir(files.path("ws/sub")).unwrap();
    symlink("../gone", files.path("ws/gonelink")).unwrap();
    symlink("secret", files.path("ws/l")).unwrap();
    let grants = format!("{WORKSPACE},deny-write=@ROOT@/ws/secret");
    let host = Host::over(files, &grants, |config| config);
    host.gives(
        r#"
        const parts = ["linkdir_out/", "linkdir_out/.//", "link_out/", "gonelink/", "l/", "sub/",
          "nothing/", "./", "x/", "/", "//", "../", "a/b", "/../../outside/pwn", "sub/."];
        const said = new Set<string>();
        for (const name of ["makeTempFile", "makeTempDir"]) {
          for (const part of parts) {
            for (const dir of ["@ROOT@/ws", ".", undefined]) {
              said.add(await both(name, { dir, prefix: part }));
              said.add(await both(name, { dir, suffix: part }));
            }
          }
        }
        const nul = await both("makeTempFile", { prefix: "a\0b" });
        return [[...said], nul, [...Deno.readDirSync("sub")], [...Deno.readDirSync("secret")].length];"#,
        r#"[
            ["Error: Invalid character in prefix or suffix: \"/\""],
            "Error: Invalid control character in prefix or suffix: \"\\0\"",
            [],
            1
        ]"#,
    );
}

#[test]
fn a_temporary_name_has_the_parts_that_were_asked_for() {
    Host::of_the_workspace().gives(
        r##"
        const shape = (path: string) => path.replace(/[0-9a-f]{16}/, "#");
        const made = [];
        for (const options of [{}, { prefix: "a.", suffix: ".b" }, { prefix: ".." }, { suffix: "." },
            { dir: "x", prefix: "é" }, { dir: "@ROOT@/ws/x" }]) {
          made.push(shape(Deno.makeTempFileSync(options)), shape(await Deno.makeTempDir(options)));
        }
        const mode = (path: string) => Deno.statSync(path).mode! & 0o7777;
        return [made, mode(Deno.makeTempFileSync()), mode(Deno.makeTempDirSync())];"##,
        r##"[
            ["@ROOT@/ws/#", "@ROOT@/ws/#", "@ROOT@/ws/a.#.b", "@ROOT@/ws/a.#.b", "@ROOT@/ws/..#", "@ROOT@/ws/..#", "@ROOT@/ws/#.", "@ROOT@/ws/#.", "x/é#", "x/é#", "@ROOT@/ws/x/#", "@ROOT@/ws/x/#"],
            384,
            448
        ]"##,
    );
}

/// A relative link that stays inside leads out once its directory was moved up. That
/// cannot be prevented, so nothing of the server's follows it.
#[test]
fn no_playbook_is_imported_through_a_planted_link() {
    let host = Host::of_the_workspace();
    let playbook = host.files.path("elsewhere/other");
    fs::create_dir_all(&playbook).unwrap();
    fs::write(playbook.join("playbook.ts"), "export const x = 'FS-CANARY-pb'").unwrap();
    fs::write(playbook.join("playbook.md"), "---\nname: o\ndescription: d\n---\nx").unwrap();
    let (_, message) = host.error(
        "Deno.mkdirSync('x/y/e2', { recursive: true });
        Deno.symlinkSync('../../elsewhere', 'x/y/e2/L');
        Deno.symlinkSync('e2/L', 'playbooks');
        Deno.renameSync('x/y/e2', 'e2');
        (await import('playbook:other')).x",
    );
    assert!(message.contains("symbolic link where programs may write"), "{message}");
    // A directory in its place is the user's, as ever.
    host.gives(
        r#"
        Deno.removeSync("playbooks");
        Deno.mkdirSync("playbooks/mine", { recursive: true });
        Deno.writeTextFileSync("playbooks/mine/playbook.ts", "export const x = 1");
        Deno.writeTextFileSync("playbooks/mine/playbook.md", "---\nname: m\ndescription: d\n---\n");
        return (await import("playbook:mine")).x;"#,
        "1",
    );
}

#[test]
fn the_mode_of_a_granted_directory_is_the_administrators() {
    let files = Fixture::new();
    fs::create_dir(files.path("data")).unwrap();
    let grants = format!("{WORKSPACE},@ROOT@/data,allow-read=@ROOT@/ws/x");
    let host = Host::over(files, &grants, |config| config);
    let before = mode(&host.files.path("ws"));
    host.gives(
        r#"
        const start = (said: string) => said.split(": the mode")[0];
        Deno.mkdirSync("x/y"); Deno.symlinkSync(".", "here");
        return {
          "chmod ., 0o777": start(await both("chmod", ".", 0o777)),
          "chmod /ws/, 0o700": start(await both("chmod", "@ROOT@/ws/", 0o700)),
          "chmod here, 0o777": start(await both("chmod", "here", 0o777)),
          "chmod x/../x, 0o777": start(await both("chmod", "x/../x", 0o777)),
          "chmod /data, 0o777": start(await both("chmod", "@ROOT@/data", 0o777)),
          "chmod x/y, 0o711": await both("chmod", "x/y", 0o711),
          "statSync x/y .mode! & 0o7777": Deno.statSync("x/y").mode! & 0o7777,
          "chmod hello.txt, 0o640": await both("chmod", "hello.txt", 0o640),
          "utime ., 1, 2": await both("utime", ".", 1, 2),
        };"#,
        r#"{
            "chmod ., 0o777": "NotCapable: Requires write access to \".\", which no flag grants",
            "chmod /ws/, 0o700": "NotCapable: Requires write access to \"@ROOT@/ws/\", which no flag grants",
            "chmod here, 0o777": "NotCapable: Requires write access to \"here\", which no flag grants",
            "chmod x/../x, 0o777": "NotCapable: Requires write access to \"x/../x\", which no flag grants",
            "chmod /data, 0o777": "NotCapable: Requires write access to \"@ROOT@/data\", which no flag grants",
            "chmod x/y, 0o711": "done",
            "statSync x/y .mode! & 0o7777": 457,
            "chmod hello.txt, 0o640": "done",
            "utime ., 1, 2": "done"
        }"#,
    );
    assert_eq!(mode(&host.files.path("ws")), before);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Whoever owns it: the kernel leaves the bits if the server has CAP_FSETID.
#[test]
fn what_programs_write_runs_as_nobody_else() {
    let host = Host::of_the_workspace();
    let file = |name: &str| host.files.path(&format!("ws/{name}"));
    let ways = [
        "Deno.writeTextFileSync(f, 'new')",
        "await Deno.writeTextFile(f, '+', { append: true })",
        "await Deno.writeTextFile(f, 'new', { mode: 0o7755 })",
        "await Deno.writeFile(f, new Blob([new Uint8Array(200_000)]).stream())",
        "{ using h = Deno.openSync(f, { write: true }); h.writeSync(new Uint8Array(9)) }",
        "{ using h = await Deno.open(f, { read: true, write: true }); await h.write(new Uint8Array(9)) }",
        "{ using h = Deno.openSync(f, { append: true, create: true }); h.writeSync(new Uint8Array(9)) }",
        "Deno.truncateSync(f, 2)",
        "Deno.copyFileSync('hello.txt', f)",
    ];
    for (number, way) in ways.iter().enumerate() {
        let name = format!("su{number}");
        fs::write(file(&name), "old").unwrap();
        fs::set_permissions(file(&name), fs::Permissions::from_mode(0o6755)).unwrap();
        assert_eq!(host.value(&format!("const f = '{name}'; {way}; 'done'")), "done", "{way}");
        assert_eq!(mode(&file(&name)) & 0o7000, 0, "{way}");
        assert_ne!(fs::read(file(&name)).unwrap(), b"old", "{way}");
    }
    // Who only reads it, or looks at it, leaves it as it is; a copy is a file.
    fs::write(file("su"), "old").unwrap();
    fs::set_permissions(file("su"), fs::Permissions::from_mode(0o4755)).unwrap();
    host.value(
        "Deno.readTextFileSync('su'); Deno.statSync('su'); Deno.copyFileSync('su', 'copy'); 1",
    );
    assert_eq!([mode(&file("su")), mode(&file("copy"))], [0o4755, 0o755]);
}

/// One directory under a second name, gone with the value.
struct Alias(PathBuf);

impl Alias {
    fn mount(of: &Path, place: &Path) -> Option<Self> {
        fs::create_dir_all(place).unwrap();
        match mount(Some(of), place, None::<&str>, MsFlags::MS_BIND, None::<&str>) {
            Ok(()) => Some(Self(place.to_owned())),
            Err(error) => {
                eprintln!("skipped: a directory cannot be mounted a second time: {error}");
                None
            }
        }
    }
}

impl Drop for Alias {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// As on a file system that ignores case: what is denied has a second name.
#[test]
fn what_is_denied_is_denied_under_every_name() {
    let files = Fixture::new();
    let ws = files.path("ws");
    fs::create_dir_all(ws.join("secret/deep/er")).unwrap();
    fs::write(ws.join("secret/deep/er/s.txt"), files.text("SECRET-CANARY-@MARK@")).unwrap();
    fs::create_dir(ws.join("free")).unwrap();
    let Some(_alias) = Alias::mount(&ws.join("secret"), &ws.join("alias")) else { return };
    let Some(_deep) = Alias::mount(&ws.join("secret/deep"), &ws.join("x/deep")) else { return };
    let Some(_free) = Alias::mount(&ws.join("free"), &ws.join("swap/free")) else { return };
    let grants = format!("{WORKSPACE},deny-read=@ROOT@/ws/secret,deny-write=@ROOT@/ws/secret");
    let host = Host::over(files, &grants, |config| config);
    host.gives(
        r#"
        const seen: unknown[] = [];
        const refused = async (name: string, ...args: unknown[]) => {
          const said = await both(name, ...args);
          if (!/^NotCapable: Requires (read|write) access/.test(said)) seen.push([name, args, said]);
        };
        for (const file of ["alias/s.txt", "alias/deep/er/s.txt", "x/deep/er/s.txt"]) {
          for (const [name, ...more] of [
            ["readTextFile"], ["stat"], ["lstat"], ["realPath"], ["open"], ["copyFile", "c*"],
            ["writeTextFile", "x"], ["truncate", 0], ["chmod", 0o600], ["utime", 1, 2], ["remove"],
            ["rename", "r*"], ["link", "h*"], ["open", { read: true, write: true }],
          ] as [string, ...unknown[]][]) await refused(name, file, ...more);
          await refused("copyFile", "hello.txt", file);
          await refused("rename", "hello.txt", file);
          await refused("symlink", file, "l*");
        }
        for (const directory of ["alias", "alias/deep", "x/deep", "x/deep/er"]) {
          await refused("writeTextFile", directory + "/new", "x");
          await refused("mkdir", directory + "/a/b", { recursive: true });
          await refused("makeTempFile", { dir: directory });
          await refused("remove", directory, { recursive: true });
          await refused("symlink", "hello.txt", directory + "/l*");
          const listed = await t(() => [...Deno.readDirSync(directory)]);
          if (!`${listed}`.startsWith("NotCapable: Requires read access")) seen.push(listed);
        }
        return {
          "seen": seen,
          "writeTextFile swap/free/f, free": await both("writeTextFile", "swap/free/f", "free"),
          "readTextFile free/f": await both("readTextFile", "free/f"),
          "readTextFile hello.txt": await both("readTextFile", "hello.txt"),
          "mkdir x/a*/b, { recursive: true }": await both("mkdir", "x/a*/b", { recursive: true }),
          "writeTextFile x/a*/b/f, x": await both("writeTextFile", "x/a*/b/f", "x"),
          "remove x/a*, { recursive: true }": await both("remove", "x/a*", { recursive: true }),
          "readTextFile swap/canary.txt": await both("readTextFile", "swap/canary.txt"),
          "writeTextFile SECRET, another": await both("writeTextFile", "SECRET", "another"),
        };"#,
        r#"{
            "seen": [],
            "writeTextFile swap/free/f, free": "done",
            "readTextFile free/f": "free",
            "readTextFile hello.txt": "hello",
            "mkdir x/a*/b, { recursive: true }": "done",
            "writeTextFile x/a*/b/f, x": "done",
            "remove x/a*, { recursive: true }": "done",
            "readTextFile swap/canary.txt": "inside",
            "writeTextFile SECRET, another": "done"
        }"#,
    );
    let canary = host.files.text("SECRET-CANARY-@MARK@");
    assert_eq!(host.files.read("ws/secret/deep/er/s.txt"), canary);
    assert_eq!(fs::read_dir(host.files.path("ws/secret")).unwrap().count(), 2);
}

/// A directory with what is denied in it is not moved away under its other name.
#[test]
fn what_holds_something_denied_is_not_moved_under_another_name() {
    let files = Fixture::new();
    let ws = files.path("ws");
    fs::create_dir_all(ws.join("top/a/b")).unwrap();
    fs::write(ws.join("top/a/b/s"), "").unwrap();
    fs::create_dir(ws.join("top/c")).unwrap();
    let Some(_alias) = Alias::mount(&ws.join("top"), &ws.join("alias")) else { return };
    let grants = format!("{WORKSPACE},deny-read=@ROOT@/ws/top/a/b/s");
    let host = Host::over(files, &grants, |config| config);
    let value = host.value(
        "const t = (f: () => void) => { try { f(); return 'done' } catch (e: any) { return e.name } };
        [t(() => Deno.renameSync('alias/a', 'alias/z')), t(() => Deno.renameSync('alias/a/b', 'b')),
          t(() => Deno.removeSync('alias/a', { recursive: true })),
          t(() => Deno.renameSync('alias/c', 'alias/d'))]",
    );
    assert_eq!(value, json!(["NotCapable", "NotCapable", "NotCapable", "done"]));
}

/// Nothing is denied here: what was granted stays where it was.
#[test]
fn what_holds_a_grant_is_not_moved_under_another_name() {
    let files = Fixture::new();
    let ws = files.path("ws");
    fs::create_dir_all(ws.join("top/a/granted")).unwrap();
    fs::create_dir(ws.join("top/c")).unwrap();
    let Some(_alias) = Alias::mount(&ws.join("top"), &ws.join("alias")) else { return };
    let grants = "allow-read=@ROOT@/ws,@ROOT@/ws/top/a/granted;allow-write=@ROOT@/ws";
    let host = Host::over(files, grants, |config| config);
    let value = host.value(
        "const t = (f: () => void) => { try { f(); return 'done' } catch (e: any) { return e.name } };
        [t(() => Deno.renameSync('alias/a', 'alias/z')),
          t(() => Deno.renameSync('alias/a/granted', 'alias/b')),
          t(() => Deno.removeSync('alias/a', { recursive: true })),
          t(() => Deno.renameSync('alias/c', 'alias/d'))]",
    );
    assert_eq!(value, json!(["NotCapable", "NotCapable", "NotCapable", "done"]));
}
