//! Links, and exceptions to a grant: stricter than Deno where Deno follows a link
//! out of what was granted.

use std::os::unix::fs::symlink;

use crate::Host;

/// What a program is told of a path that a link leads out of the grant: the
/// class and the permission, for the path's text is its own.
const REFUSALS: &str = r#"
    const refused = async (name: string, ...args: unknown[]) => {
      const said = await both(name, ...args);
      const one = Array.isArray(said) ? said[0] : said;
      return typeof one === "string" ? one.split(" to ")[0] : one;
    };"#;

#[test]
fn links_are_made_where_both_ends_are_granted() {
    let host = Host::of_the_workspace();
    host.gives(
        r#"
        return {
          "symlink hello.txt, l*": await both("symlink", "hello.txt", "l*"),
          "read l*": read("l*"),
          "readLink l*": await both("readLink", "l*"),
          "symlink /ws/hello.txt, x/abs*": await both("symlink", "@ROOT@/ws/hello.txt", "x/abs*"),
          "read x/abs*": read("x/abs*"),
          "symlink ../swap, x/dir*": await both("symlink", "../swap", "x/dir*"),
          "read x/dir*/canary.txt": read("x/dir*/canary.txt"),
          "symlink new.txt, dangling*": await both("symlink", "new.txt", "dangling*"),
          "readTextFile dangling*": await both("readTextFile", "dangling*"),
          "symlink hello.txt, l*, 2": await both("symlink", "hello.txt", "l*"),
          "link hello.txt, h*": await both("link", "hello.txt", "h*"),
          "read h*": read("h*"),
          "statSync hello.txt .nlink": Deno.statSync("hello.txt").nlink,
          "link nope, n*": await both("link", "nope", "n*"),
          "link hello.txt, x": await both("link", "hello.txt", "x"),
          "link hello.txt, ../outside/h": await both("link", "hello.txt", "../outside/h"),
          "readLink link_out": await both("readLink", "link_out"),
          "readLink hello.txt": await both("readLink", "hello.txt"),
          "readLink nope": await both("readLink", "nope"),
          "readLink /proc/self/exe": await both("readLink", "/proc/self/exe"),
        };"#,
        r#"{
            "symlink hello.txt, l*": "done",
            "read l*": "hello",
            "readLink l*": "hello.txt",
            "symlink /ws/hello.txt, x/abs*": "done",
            "read x/abs*": "hello",
            "symlink ../swap, x/dir*": "done",
            "read x/dir*/canary.txt": "inside",
            "symlink new.txt, dangling*": "done",
            "readTextFile dangling*": "NotFound: No such file or directory (os error 2): readfile 'dangling*' [ENOENT]",
            "symlink hello.txt, l*, 2": "AlreadyExists: File exists (os error 17): symlink 'hello.txt' -> 'l*' [EEXIST]",
            "link hello.txt, h*": "done",
            "read h*": "hello",
            "statSync hello.txt .nlink": 3,
            "link nope, n*": "NotFound: No such file or directory (os error 2): link 'nope' -> 'n*' [ENOENT]",
            "link hello.txt, x": "AlreadyExists: File exists (os error 17): link 'hello.txt' -> 'x' [EEXIST]",
            "link hello.txt, ../outside/h": "NotCapable: Requires write access to \"../outside/h\", run again with the --allow-write flag",
            "readLink link_out": "@ROOT@/outside/canary.txt",
            "readLink hello.txt": "TypeError: Invalid argument (os error 22): readlink 'hello.txt' [EINVAL]",
            "readLink nope": "NotFound: No such file or directory (os error 2): readlink 'nope' [ENOENT]",
            "readLink /proc/self/exe": "NotCapable: Requires read access to \"/proc/self/exe\", run again with the --allow-read flag"
        }"#,
    );
}

#[test]
fn no_link_out_of_the_grant_is_made() {
    Host::of_the_workspace().gives(
        &format!(
            r#"{REFUSALS}
        return {{
          "symlink to a file outside": await refused("symlink", "@ROOT@/outside/canary.txt", "l*"),
          "symlink to a directory outside": await refused("symlink", "../outside", "l*"),
          "the same from below": await refused("symlink", "../../outside", "x/l*"),
          "symlink through a link": await refused("symlink", "linkdir_out/victim.txt", "l*").then((s) => s.split(":")[0]),
          "symlink to a descriptor": await refused("symlink", "/proc/self/fd/0", "l*"),
          "symlink from outside": await refused("symlink", "hello.txt", "../outside/l*").then((s) => s.split(":")[0]),
          "link to a file outside": await refused("link", "../outside/victim.txt", "l*"),
          "link to a link is refused": await refused("link", "link_out", "l*").then((s) => s.split(":").length > 1),
          "link through a link": await refused("link", "linkdir_out/victim.txt", "l*"),
          "links that were made": [...Deno.readDirSync(".")].filter((e) => e.name.length === 2),
        }};"#
        ),
        r#"{
            "symlink to a file outside": "NotCapable: Requires read access",
            "symlink to a directory outside": "NotCapable: Requires read access",
            "the same from below": "NotCapable: Requires read access",
            "symlink through a link": "NotCapable",
            "symlink to a descriptor": "NotCapable: Requires read access",
            "symlink from outside": "NotCapable",
            "link to a file outside": "NotCapable: Requires read access",
            "link to a link is refused": true,
            "link through a link": "NotCapable: Requires read access",
            "links that were made": []
        }"#,
    );
}

#[test]
fn a_link_inside_of_the_grant_is_followed_wherever_it_stands() {
    let host = Host::of_the_workspace();
    let ws = host.files.path("ws");
    symlink(ws.join("hello.txt"), ws.join("absolute")).unwrap();
    symlink(ws.join("x"), ws.join("directory")).unwrap();
    symlink("../../ws/./x/../hello.txt", ws.join("swap/winding")).unwrap();
    symlink("loop2", ws.join("loop1")).unwrap();
    symlink("loop1", ws.join("loop2")).unwrap();
    host.gives(
        r#"
        Deno.writeTextFileSync("directory/new", "new");
        Deno.writeTextFileSync("absolute", "changed");
        return {
          "readTextFile absolute": await both("readTextFile", "absolute"),
          "readTextFileSync x/new": Deno.readTextFileSync("x/new"),
          "readTextFile swap/winding": await both("readTextFile", "swap/winding"),
          "realPath directory/new": await both("realPath", "directory/new"),
          "lstatSync absolute .isSymlink": Deno.lstatSync("absolute").isSymlink,
          "stat absolute .isFile": (await Deno.stat("absolute")).isFile,
          "readTextFile loop1": await both("readTextFile", "loop1").then((s) => s.split(":").slice(0, 2).join(":")),
          "removeSync absolute": await t(() => Deno.removeSync("absolute")),
          "readTextFileSync hello.txt": Deno.readTextFileSync("hello.txt"),
        };"#,
        r#"{
            "readTextFile absolute": "changed",
            "readTextFileSync x/new": "new",
            "readTextFile swap/winding": "changed",
            "realPath directory/new": "@ROOT@/ws/x/new",
            "lstatSync absolute .isSymlink": true,
            "stat absolute .isFile": true,
            "readTextFile loop1": "FilesystemLoop: Too many levels of symbolic links (os error 40)",
            "removeSync absolute": "done",
            "readTextFileSync hello.txt": "changed"
        }"#,
    );
}

#[test]
fn a_link_out_of_the_grant_is_not_followed() {
    Host::of_the_workspace().gives(
        &format!(
            r#"{REFUSALS}
        const seen: any = {{}};
        for (const path of ["link_out", "linkdir_out/canary.txt", "link_out2", "link_proc"]) {{
          seen[path] = [];
          for (const [name, ...more] of [
            ["readTextFile"], ["readFile"], ["stat"], ["realPath"], ["open"],
            ["copyFile", "copied*"], ["writeTextFile", "x"], ["truncate", 0], ["chmod", 0o600],
            ["utime", 1, 2], ["open", {{ write: true }}], ["open", {{ append: true }}],
            ["open", {{ write: true, create: true, truncate: true }}],
          ] as [string, ...unknown[]][]) {{
            const said = await refused(name, path, ...more);
            if (!/^NotCapable: Requires (read|write) access$/.test(said)) seen[path].push(name, said);
          }}
        }}
        return {{
          "seen": seen,
          "[...readDirSync linkdir_out ]": await t(() => [...Deno.readDirSync("linkdir_out")]).then((s) => s.split(" to ")[0]),
          "copyFile hello.txt, link_out2": await refused("copyFile", "hello.txt", "link_out2"),
          "mkdir linkdir_out/made": await refused("mkdir", "linkdir_out/made"),
          "remove linkdir_out/victim.txt": await refused("remove", "linkdir_out/victim.txt"),
          "rename linkdir_out/victim.txt, v": await refused("rename", "linkdir_out/victim.txt", "v"),
          "rename hello.txt, linkdir_out/v": await refused("rename", "hello.txt", "linkdir_out/v"),
          "lstat linkdir_out/victim.txt": await refused("lstat", "linkdir_out/victim.txt"),
          "chdir linkdir_out": await t(() => Deno.chdir("linkdir_out")).then((s) => s.split(" to ")[0]),
          "makeTempFile {{ dir: linkdir_out }}": await refused("makeTempFile", {{ dir: "linkdir_out" }}),
          "lstatSync link_out .isSymlink": Deno.lstatSync("link_out").isSymlink,
          "removeSync link_out": await t(() => Deno.removeSync("link_out")),
          "renameSync link_out2, moved": await t(() => Deno.renameSync("link_out2", "moved")),
          "lstatSync moved .isSymlink": Deno.lstatSync("moved").isSymlink,
        }};"#
        ),
        r#"{
            "seen": {"link_out": [], "linkdir_out/canary.txt": [], "link_out2": [], "link_proc": []},
            "[...readDirSync linkdir_out ]": "NotCapable: Requires read access",
            "copyFile hello.txt, link_out2": "NotCapable: Requires write access",
            "mkdir linkdir_out/made": "NotCapable: Requires write access",
            "remove linkdir_out/victim.txt": "NotCapable: Requires write access",
            "rename linkdir_out/victim.txt, v": "NotCapable: Requires read access",
            "rename hello.txt, linkdir_out/v": "NotCapable: Requires write access",
            "lstat linkdir_out/victim.txt": "NotCapable: Requires read access",
            "chdir linkdir_out": "NotCapable: Requires read access",
            "makeTempFile { dir: linkdir_out }": "NotCapable: Requires write access",
            "lstatSync link_out .isSymlink": true,
            "removeSync link_out": "done",
            "renameSync link_out2, moved": "done",
            "lstatSync moved .isSymlink": true
        }"#,
    );
}

#[test]
fn an_exception_holds_whichever_way_leads_to_it() {
    let grants = "allow-read=@ROOT@/ws,deny-read=@ROOT@/ws/secret;\
        allow-write=@ROOT@/ws;deny-write=@ROOT@/ws/secret,@ROOT@/ws/hello.txt";
    let host = Host::with_grants(grants);
    let ws = host.files.path("ws");
    symlink("../secret", ws.join("x/to_secret")).unwrap();
    symlink(ws.join("secret/s.txt"), ws.join("to_file")).unwrap();
    host.gives(
        &format!(
            r#"{REFUSALS}
        return {{
          "readTextFile secret/s.txt": await both("readTextFile", "secret/s.txt"),
          "readTextFile x/to_secret/s.txt": await refused("readTextFile", "x/to_secret/s.txt"),
          "readTextFile to_file": await refused("readTextFile", "to_file"),
          "readTextFile x/../secret/s.txt": await refused("readTextFile", "x/../secret/s.txt"),
          "stat secret": await refused("stat", "secret"),
          "lstat secret/nope": await refused("lstat", "secret/nope"),
          "readTextFile secret/nope": await refused("readTextFile", "secret/nope"),
          "readTextFile secretly": await refused("readTextFile", "secretly"),
          "rename secret, public": await refused("rename", "secret", "public"),
          "copyFile secret/s.txt, p": await refused("copyFile", "secret/s.txt", "p"),
          "remove ../ws/secret, {{ recursive: true }}": await refused("remove", "../ws/secret", {{ recursive: true }}),
          "writeTextFile to_file, x": await refused("writeTextFile", "to_file", "x"),
          "writeTextFile hello.txt, x": await refused("writeTextFile", "hello.txt", "x"),
          "writeTextFile secret/new, x": await refused("writeTextFile", "secret/new", "x"),
          "mkdir secret/new": await refused("mkdir", "secret/new"),
          "rename hello.txt, h": await refused("rename", "hello.txt", "h"),
          "[...readDirSync secret ]": await t(() => [...Deno.readDirSync("secret")]).then((s) => s.split(" to ")[0]),
          "{{ mkdirSync p ; renameSync x, p/x }}": await t(() => {{ Deno.mkdirSync("p"); Deno.renameSync("x", "p/x") }}),
          "readTextFile hello.txt": await both("readTextFile", "hello.txt"),
        }};"#
        ),
        r#"{
            "readTextFile secret/s.txt": "NotCapable: Requires read access to \"secret/s.txt\", run again with the --allow-read flag",
            "readTextFile x/to_secret/s.txt": "NotCapable: Requires read access",
            "readTextFile to_file": "NotCapable: Requires read access",
            "readTextFile x/../secret/s.txt": "NotCapable: Requires read access",
            "stat secret": "NotCapable: Requires read access",
            "lstat secret/nope": "NotCapable: Requires read access",
            "readTextFile secret/nope": "NotCapable: Requires read access",
            "readTextFile secretly": "NotFound: No such file or directory (os error 2): readfile 'secretly' [ENOENT]",
            "rename secret, public": "NotCapable: Requires read access",
            "copyFile secret/s.txt, p": "NotCapable: Requires read access",
            "remove ../ws/secret, { recursive: true }": "NotCapable: Requires write access",
            "writeTextFile to_file, x": "NotCapable: Requires write access",
            "writeTextFile hello.txt, x": "NotCapable: Requires write access",
            "writeTextFile secret/new, x": "NotCapable: Requires write access",
            "mkdir secret/new": "NotCapable: Requires write access",
            "rename hello.txt, h": "NotCapable: Requires write access",
            "[...readDirSync secret ]": "NotCapable: Requires read access",
            "{ mkdirSync p ; renameSync x, p/x }": "done",
            "readTextFile hello.txt": "hello"
        }"#,
    );
    let secret = std::fs::read_to_string(ws.join("secret/s.txt")).unwrap();
    assert_eq!(secret, host.files.text("SECRET-CANARY-@MARK@"));
}

/// renameat(2) moves what is below along: a directory with an exception in it
/// must not carry that to a place where the exception does not hold.
#[test]
fn an_exception_is_not_moved_away_with_its_parent() {
    let grants = "allow-read=@ROOT@/ws,deny-read=@ROOT@/ws/d/secret;allow-write=@ROOT@/ws";
    let host = Host::with_grants(grants);
    let directory = host.files.path("ws/d");
    std::fs::create_dir_all(directory.join("secret")).unwrap();
    let canary = host.files.text("SECRET-CANARY-@MARK@");
    std::fs::write(directory.join("secret/s.txt"), &canary).unwrap();
    let execution = host.run(
        "try { Deno.renameSync('d', 'e'); } catch (e) { console.log(`${e}`) }
        try { Deno.readTextFileSync('e/secret/s.txt') } catch (e) { console.log(e.name); 0 }",
    );
    assert!(!format!("{execution:?}").contains(&canary), "{execution:#?}");
}
