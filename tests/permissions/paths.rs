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
        return [
          await both("symlink", "hello.txt", "l*"), read("l*"), await both("readLink", "l*"),
          await both("symlink", "@ROOT@/ws/hello.txt", "x/abs*"), read("x/abs*"),
          await both("symlink", "../swap", "x/dir*"), read("x/dir*/canary.txt"),
          await both("symlink", "new.txt", "dangling*"), await both("readTextFile", "dangling*"),
          await both("symlink", "hello.txt", "l*"),
          await both("link", "hello.txt", "h*"), read("h*"), Deno.statSync("hello.txt").nlink,
          await both("link", "nope", "n*"), await both("link", "hello.txt", "x"),
          await both("link", "hello.txt", "../outside/h"),
          await both("readLink", "link_out"), await both("readLink", "hello.txt"),
          await both("readLink", "nope"), await both("readLink", "/proc/self/exe"),
        ];"#,
        r#"[
            "done",
            "hello",
            "hello.txt",
            "done",
            "hello",
            "done",
            "inside",
            "done",
            "NotFound: No such file or directory (os error 2): readfile 'dangling*' [ENOENT]",
            "AlreadyExists: File exists (os error 17): symlink 'hello.txt' -> 'l*' [EEXIST]",
            "done",
            "hello",
            3,
            "NotFound: No such file or directory (os error 2): link 'nope' -> 'n*' [ENOENT]",
            "AlreadyExists: File exists (os error 17): link 'hello.txt' -> 'x' [EEXIST]",
            "NotCapable: Requires write access to \"../outside/h\", run again with the --allow-write flag",
            "@ROOT@/outside/canary.txt",
            "TypeError: Invalid argument (os error 22): readlink 'hello.txt' [EINVAL]",
            "NotFound: No such file or directory (os error 2): readlink 'nope' [ENOENT]",
            "NotCapable: Requires read access to \"/proc/self/exe\", run again with the --allow-read flag"
        ]"#,
    );
}

#[test]
fn no_link_out_of_the_grant_is_made() {
    Host::of_the_workspace().gives(
        &format!(
            r#"{REFUSALS}
        const seen = [
          await refused("symlink", "@ROOT@/outside/canary.txt", "l*"),
          await refused("symlink", "../outside", "l*"),
          await refused("symlink", "../../outside", "x/l*"),
          await refused("symlink", "linkdir_out/victim.txt", "l*").then((s) => s.split(":")[0]),
          await refused("symlink", "/proc/self/fd/0", "l*"),
          await refused("symlink", "hello.txt", "../outside/l*").then((s) => s.split(":")[0]),
          await refused("link", "../outside/victim.txt", "l*"),
          await refused("link", "link_out", "l*").then((s) => s.split(":").length > 1),
          await refused("link", "linkdir_out/victim.txt", "l*"),
        ];
        return [...seen, [...Deno.readDirSync(".")].filter((e) => e.name.length === 2)];"#
        ),
        r#"[
            "NotCapable: Requires read access",
            "NotCapable: Requires read access",
            "NotCapable: Requires read access",
            "NotCapable",
            "NotCapable: Requires read access",
            "NotCapable",
            "NotCapable: Requires read access",
            true,
            "NotCapable: Requires read access",
            []
        ]"#,
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
        return [
          await both("readTextFile", "absolute"), Deno.readTextFileSync("x/new"),
          await both("readTextFile", "swap/winding"), await both("realPath", "directory/new"),
          Deno.lstatSync("absolute").isSymlink, (await Deno.stat("absolute")).isFile,
          await both("readTextFile", "loop1").then((s) => s.split(":").slice(0, 2).join(":")),
          await t(() => Deno.removeSync("absolute")), Deno.readTextFileSync("hello.txt"),
        ];"#,
        r#"[
            "changed",
            "new",
            "changed",
            "@ROOT@/ws/x/new",
            true,
            true,
            "FilesystemLoop: Too many levels of symbolic links (os error 40)",
            "done",
            "changed"
        ]"#,
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
        return [
          seen,
          await t(() => [...Deno.readDirSync("linkdir_out")]).then((s) => s.split(" to ")[0]),
          await refused("copyFile", "hello.txt", "link_out2"),
          await refused("mkdir", "linkdir_out/made"), await refused("remove", "linkdir_out/victim.txt"),
          await refused("rename", "linkdir_out/victim.txt", "v"),
          await refused("rename", "hello.txt", "linkdir_out/v"),
          await refused("lstat", "linkdir_out/victim.txt"),
          await t(() => Deno.chdir("linkdir_out")).then((s) => s.split(" to ")[0]),
          await refused("makeTempFile", {{ dir: "linkdir_out" }}),
          Deno.lstatSync("link_out").isSymlink, await t(() => Deno.removeSync("link_out")),
          await t(() => Deno.renameSync("link_out2", "moved")), Deno.lstatSync("moved").isSymlink,
        ];"#
        ),
        r#"[
            {"link_out": [], "linkdir_out/canary.txt": [], "link_out2": [], "link_proc": []},
            "NotCapable: Requires read access",
            "NotCapable: Requires write access",
            "NotCapable: Requires write access",
            "NotCapable: Requires write access",
            "NotCapable: Requires read access",
            "NotCapable: Requires write access",
            "NotCapable: Requires read access",
            "NotCapable: Requires read access",
            "NotCapable: Requires write access",
            true,
            "done",
            "done",
            true
        ]"#,
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
        return [
          await both("readTextFile", "secret/s.txt"), await refused("readTextFile", "x/to_secret/s.txt"),
          await refused("readTextFile", "to_file"), await refused("readTextFile", "x/../secret/s.txt"),
          await refused("stat", "secret"), await refused("lstat", "secret/nope"),
          await refused("readTextFile", "secret/nope"), await refused("readTextFile", "secretly"),
          await refused("rename", "secret", "public"), await refused("copyFile", "secret/s.txt", "p"),
          await refused("remove", "../ws/secret", {{ recursive: true }}),
          await refused("writeTextFile", "to_file", "x"), await refused("writeTextFile", "hello.txt", "x"),
          await refused("writeTextFile", "secret/new", "x"),
          await refused("mkdir", "secret/new"), await refused("rename", "hello.txt", "h"),
          await t(() => [...Deno.readDirSync("secret")]).then((s) => s.split(" to ")[0]),
          await t(() => {{ Deno.mkdirSync("p"); Deno.renameSync("x", "p/x") }}), await both("readTextFile", "hello.txt"),
        ];"#
        ),
        r#"[
            "NotCapable: Requires read access to \"secret/s.txt\", run again with the --allow-read flag",
            "NotCapable: Requires read access",
            "NotCapable: Requires read access",
            "NotCapable: Requires read access",
            "NotCapable: Requires read access",
            "NotCapable: Requires read access",
            "NotCapable: Requires read access",
            "NotFound: No such file or directory (os error 2): readfile 'secretly' [ENOENT]",
            "NotCapable: Requires read access",
            "NotCapable: Requires read access",
            "NotCapable: Requires write access",
            "NotCapable: Requires write access",
            "NotCapable: Requires write access",
            "NotCapable: Requires write access",
            "NotCapable: Requires write access",
            "NotCapable: Requires write access",
            "NotCapable: Requires read access",
            "done",
            "hello"
        ]"#,
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
