//! Grants of one file: what is granted is that file, and nothing beside it.

use std::os::unix::fs::symlink;

use crate::commands::SHELL;
use crate::fixture::Fixture;
use crate::{Host, landlock};

/// `@ROOT@/d` holds `file` and `beside`; `@ROOT@/link` leads to `d/file`.
fn files() -> Fixture {
    let files = Fixture::new();
    std::fs::create_dir(files.path("d")).unwrap();
    std::fs::write(files.path("d/file"), "granted").unwrap();
    std::fs::write(files.path("d/beside"), "NEIGHBOUR").unwrap();
    symlink("d/file", files.path("link")).unwrap();
    files
}

fn host(grants: &str) -> Host {
    Host::over(files(), grants, |config| config)
}

const BOTH: &str = "allow-read=@ROOT@/d/file,allow-write=@ROOT@/d/file";

#[test]
fn a_granted_file_is_read_and_written() {
    let host = host(BOTH);
    host.gives(
        r#"
        const file = "@ROOT@/d/file";
        const seen = [
          await both("readTextFile", file), await both("readTextFile", "@ROOT@/d/x/../file"),
          await both("writeTextFile", file, "one"), await both("writeTextFile", file, "+", { append: true }),
          await both("readTextFile", file), Deno.statSync(file).size, Deno.lstatSync(file).isFile,
          await both("realPath", file), await both("truncate", file, 3), await both("chmod", file, 0o600),
          await both("utime", file, 1, 2), Deno.statSync(file).mtime!.getTime(),
          await both("writeTextFile", file, "x", { createNew: true }),
        ];
        using f = Deno.openSync(file, { read: true, write: true });
        const b = new Uint8Array(9);
        return [...seen, text(b.subarray(0, f.readSync(b)!)), await both("readTextFile", file + "/x")];"#,
        r#"[
            "granted",
            "granted",
            "done",
            "done",
            "one++",
            5,
            true,
            "@ROOT@/d/file",
            "done",
            "done",
            "done",
            2000,
            "AlreadyExists: File exists (os error 17): writefile '@ROOT@/d/file' [EEXIST]",
            "one",
            "NotADirectory: Not a directory (os error 20): readfile '@ROOT@/d/file/x' [ENOTDIR]"
        ]"#,
    );
    assert_eq!(host.files.read("d/file"), "one");
}

#[test]
fn what_lies_beside_a_granted_file_is_refused() {
    let host = host(BOTH);
    host.gives(
        r#"
        const refused = async (name: string, ...args: unknown[]) => {
          const said = await both(name, ...args);
          return typeof said === "string" ? said.split(", run")[0] : said;
        };
        const d = "@ROOT@/d";
        return [
          await refused("readTextFile", d + "/beside"), await refused("stat", d + "/beside"),
          await refused("stat", d), await refused("realPath", d),
          await t(() => [...Deno.readDirSync(d)]).then((s) => s.split(", run")[0]),
          await refused("readTextFile", d + "/file2"), await refused("writeTextFile", d + "/beside", "x"),
          await refused("writeTextFile", d + "/new", "x"), await refused("mkdir", d + "/new"),
          await refused("makeTempFile", { dir: d }), await refused("copyFile", d + "/file", d + "/new"),
          await refused("copyFile", d + "/beside", d + "/file"), await refused("link", d + "/file", d + "/new"),
          await refused("remove", d, { recursive: true }),
        ];"#,
        r#"[
            "NotCapable: Requires read access to \"@ROOT@/d/beside\"",
            "NotCapable: Requires read access to \"@ROOT@/d/beside\"",
            "NotCapable: Requires read access to \"@ROOT@/d\"",
            "NotCapable: Requires read access to \"@ROOT@/d\"",
            "NotCapable: Requires read access to \"@ROOT@/d\"",
            "NotCapable: Requires read access to \"@ROOT@/d/file2\"",
            "NotCapable: Requires write access to \"@ROOT@/d/beside\"",
            "NotCapable: Requires write access to \"@ROOT@/d/new\"",
            "NotCapable: Requires write access to \"@ROOT@/d/new\"",
            "NotCapable: Requires write access to \"@ROOT@/d\"",
            "NotCapable: Requires write access to \"@ROOT@/d/new\"",
            "NotCapable: Requires read access to \"@ROOT@/d/beside\"",
            "NotCapable: Requires write access to \"@ROOT@/d/new\"",
            "NotCapable: Requires write access to \"@ROOT@/d\""
        ]"#,
    );
    assert_eq!(host.files.read("d/beside"), "NEIGHBOUR");
    assert_eq!(std::fs::read_dir(host.files.path("d")).unwrap().count(), 2);
}

/// A link in the place of the file would be another file under its name.
#[test]
fn a_granted_file_is_not_moved_removed_or_replaced() {
    let host = host(BOTH);
    host.gives(
        r#"
        const file = "@ROOT@/d/file";
        const start = (said: string) => said.split(":")[0];
        return [
          start(await both("remove", file)), start(await both("rename", file, "@ROOT@/ws/moved")),
          start(await both("rename", "@ROOT@/d/beside", file)), start(await both("symlink", "beside", file)),
          start(await both("symlink", "@ROOT@/d/beside", file)), await both("readTextFile", file),
        ];"#,
        r#"["NotCapable", "NotCapable", "NotCapable", "NotCapable", "NotCapable", "granted"]"#,
    );
}

/// Editors write a new file and rename it to the name of the old one.
#[test]
fn a_file_that_the_administrator_replaces_stays_granted_and_a_link_does_not() {
    let host = host(BOTH);
    let place = host.files.path("d/file");
    std::fs::write(host.files.path("d/new"), "replaced").unwrap();
    std::fs::rename(host.files.path("d/new"), &place).unwrap();
    let read = "Deno.readTextFileSync('@ROOT@/d/file')";
    assert_eq!(host.value(read), "replaced");
    for target in ["beside", "../outside/canary.txt"] {
        std::fs::remove_file(&place).unwrap();
        symlink(target, &place).unwrap();
        let (_, message) = host.error(read);
        let expected = "NotCapable: Requires read access to \"@ROOT@/d/file\"";
        assert!(message.starts_with(expected), "{target}: {message}");
    }
}

#[test]
fn a_link_in_a_grant_is_the_file_that_it_leads_to() {
    let host = host("allow-read=@ROOT@/link,allow-write=@ROOT@/link");
    host.gives(
        r#"
        const start = (said: string) => said.split(", run")[0];
        return [
          await both("readTextFile", "@ROOT@/link"), await both("writeTextFile", "@ROOT@/link", "new"),
          await both("readTextFile", "@ROOT@/d/file"), await both("realPath", "@ROOT@/link"),
          start(await both("readTextFile", "@ROOT@/d/beside")), start(await both("readTextFile", "@ROOT@/d/link")),
          start(await both("readLink", "@ROOT@/link")), start(await both("remove", "@ROOT@/link")),
          start(await both("rename", "@ROOT@/link", "@ROOT@/ws/l*")), start(await both("remove", "@ROOT@/d/file")),
        ];"#,
        r#"[
            "granted",
            "done",
            "new",
            "@ROOT@/d/file",
            "NotCapable: Requires read access to \"@ROOT@/d/beside\"",
            "NotCapable: Requires read access to \"@ROOT@/d/link\"",
            "NotCapable: Requires read access to \"@ROOT@/link\"",
            "NotCapable: Requires write access to \"@ROOT@/link\"",
            "NotCapable: Requires read access to \"@ROOT@/link\"",
            "NotCapable: Requires write access to \"@ROOT@/d/file\""
        ]"#,
    );
    assert_eq!(host.files.read("d/file"), "new");
    // What the link leads to was decided at the start.
    std::fs::remove_file(host.files.path("link")).unwrap();
    symlink("d/beside", host.files.path("link")).unwrap();
    assert_eq!(host.value("Deno.readTextFileSync('@ROOT@/link')"), "new");
}

#[test]
fn a_grant_of_what_does_not_exist_holds_once_it_does() {
    let grants = "allow-read=@ROOT@/d/later,@ROOT@/no/such/file;\
        allow-write=@ROOT@/d/later,@ROOT@/no/such/file";
    let host = host(grants);
    host.gives(
        r#"
        const start = (said: string) => said.split(/ \(os|, run/)[0];
        const later = "@ROOT@/d/later";
        return [
          start(await both("readTextFile", later)), start(await both("readTextFile", later + "2")),
          start(await both("readTextFile", "@ROOT@/d/beside")), start(await both("writeTextFile", "@ROOT@/d/new", "x")),
          await both("writeTextFile", later, "made"), await both("readTextFile", later),
          start(await both("remove", later)), start(await both("writeTextFile", "@ROOT@/no/such/file", "x")),
          start(await both("mkdir", "@ROOT@/no/such", { recursive: true })),
        ];"#,
        r#"[
            "NotFound: No such file or directory",
            "NotCapable: Requires read access to \"@ROOT@/d/later2\"",
            "NotCapable: Requires read access to \"@ROOT@/d/beside\"",
            "NotCapable: Requires write access to \"@ROOT@/d/new\"",
            "done",
            "made",
            "NotCapable: Requires write access to \"@ROOT@/d/later\"",
            "NotFound: No such file or directory",
            "NotCapable: Requires write access to \"@ROOT@/no/such\""
        ]"#,
    );
    assert_eq!(host.files.read("d/later"), "made");
    std::fs::create_dir_all(host.files.path("no/such")).unwrap();
    std::fs::write(host.files.path("no/such/file"), "of the administrator").unwrap();
    std::fs::write(host.files.path("no/such/beside"), "NEIGHBOUR").unwrap();
    let read = |name: &str| format!("Deno.readTextFileSync('@ROOT@/no/such/{name}')");
    assert_eq!(host.value(&read("file")), "of the administrator");
    let (_, message) = host.error(&read("beside"));
    assert!(message.starts_with("NotCapable: Requires read access to "), "{message}");
}

#[test]
fn one_file_is_denied_in_a_directory_that_is_granted() {
    let grants = "allow-read=@ROOT@/d;deny-read=@ROOT@/d/file;allow-write=@ROOT@/d";
    let files = files();
    symlink("file", files.path("d/alias")).unwrap();
    symlink(files.path("d/file"), files.path("d/alias2")).unwrap();
    let host = Host::over(files, grants, |config| config);
    host.gives(
        r#"
        const start = (said: string) => said.split(", run")[0];
        const file = "@ROOT@/d/file";
        return [
          await both("readTextFile", "@ROOT@/d/beside"), start(await both("readTextFile", file)),
          start(await both("readTextFile", "@ROOT@/d/alias")), start(await both("readTextFile", "@ROOT@/d/alias2")),
          start(await both("readTextFile", "@ROOT@/d/x/../file")), start(await both("stat", file)),
          start(await both("copyFile", file, "@ROOT@/d/copy")), start(await both("link", file, "@ROOT@/d/copy")),
          start(await both("open", file, { read: true, write: true })), start(await both("rename", file, "@ROOT@/d/r")),
          start(await both("remove", file)), await both("writeTextFile", file, "written"),
        ];"#,
        r#"[
            "NEIGHBOUR",
            "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "NotCapable: Requires read access to \"@ROOT@/d/alias\"",
            "NotCapable: Requires read access to \"@ROOT@/d/alias2\"",
            "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "NotCapable: Requires write access to \"@ROOT@/d/file\"",
            "done"
        ]"#,
    );
    assert_eq!(host.files.read("d/file"), "written");
}

#[test]
fn a_command_has_the_granted_file_and_nothing_beside_it() {
    if !landlock() {
        return;
    }
    let variables = [("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())];
    let grants = format!("{BOTH},allow-run=sh");
    let host = Host::over(files(), &grants, |config| config.with_environment(variables));
    host.gives(
        &format!(
            r#"{SHELL}
        const d = "@ROOT@/d", code = async (script: string) => (await sh(script))[0] === 0;
        return [
          await sh(`cat ${{d}}/file`), await sh(`echo new > ${{d}}/file && cat ${{d}}/file`),
          await code(`cat ${{d}}/beside`), await code(`echo x > ${{d}}/beside`), await code(`ls ${{d}}`),
          await code(`echo x > ${{d}}/made`), await code(`rm ${{d}}/file`), await code(`mv ${{d}}/file ${{d}}/m`),
        ];"#
        ),
        r#"[[0, "granted", ""], [0, "new\n", ""], false, false, false, false, false, false]"#,
    );
}
