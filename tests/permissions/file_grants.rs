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
        const seen = {
          "read": await both("readTextFile", file),
          "read by another path": await both("readTextFile", "@ROOT@/d/x/../file"),
          "write": await both("writeTextFile", file, "one"),
          "append": await both("writeTextFile", file, "+", { append: true }),
          "read, 2": await both("readTextFile", file),
          "size": Deno.statSync(file).size,
          "isFile": Deno.lstatSync(file).isFile,
          "realPath": await both("realPath", file),
          "truncate": await both("truncate", file, 3),
          "chmod": await both("chmod", file, 0o600),
          "utime": await both("utime", file, 1, 2),
          "mtime": Deno.statSync(file).mtime!.getTime(),
          "createNew": await both("writeTextFile", file, "x", { createNew: true }),
        };
        using f = Deno.openSync(file, { read: true, write: true });
        const b = new Uint8Array(9);
        return {
          ...seen,
          "read of an open file": text(b.subarray(0, f.readSync(b)!)),
          "read below": await both("readTextFile", file + "/x"),
        };"#,
        r#"{
            "read": "granted",
            "read by another path": "granted",
            "write": "done",
            "append": "done",
            "read, 2": "one++",
            "size": 5,
            "isFile": true,
            "realPath": "@ROOT@/d/file",
            "truncate": "done",
            "chmod": "done",
            "utime": "done",
            "mtime": 2000,
            "createNew": "AlreadyExists: File exists (os error 17): writefile '@ROOT@/d/file' [EEXIST]",
            "read of an open file": "one",
            "read below": "NotADirectory: Not a directory (os error 20): readfile '@ROOT@/d/file/x' [ENOTDIR]"
        }"#,
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
        return {
          "readTextFile d + /beside": await refused("readTextFile", d + "/beside"),
          "stat d + /beside": await refused("stat", d + "/beside"),
          "stat d": await refused("stat", d),
          "realPath d": await refused("realPath", d),
          "[...readDirSync d ]": await t(() => [...Deno.readDirSync(d)]).then((s) => s.split(", run")[0]),
          "readTextFile d + /file2": await refused("readTextFile", d + "/file2"),
          "writeTextFile d + /beside, x": await refused("writeTextFile", d + "/beside", "x"),
          "writeTextFile d + /new, x": await refused("writeTextFile", d + "/new", "x"),
          "mkdir d + /new": await refused("mkdir", d + "/new"),
          "makeTempFile { dir: d }": await refused("makeTempFile", { dir: d }),
          "copyFile d + /file, d + /new": await refused("copyFile", d + "/file", d + "/new"),
          "copyFile d + /beside, d + /file": await refused("copyFile", d + "/beside", d + "/file"),
          "link d + /file, d + /new": await refused("link", d + "/file", d + "/new"),
          "remove d, { recursive: true }": await refused("remove", d, { recursive: true }),
        };"#,
        r#"{
            "readTextFile d + /beside": "NotCapable: Requires read access to \"@ROOT@/d/beside\"",
            "stat d + /beside": "NotCapable: Requires read access to \"@ROOT@/d/beside\"",
            "stat d": "NotCapable: Requires read access to \"@ROOT@/d\"",
            "realPath d": "NotCapable: Requires read access to \"@ROOT@/d\"",
            "[...readDirSync d ]": "NotCapable: Requires read access to \"@ROOT@/d\"",
            "readTextFile d + /file2": "NotCapable: Requires read access to \"@ROOT@/d/file2\"",
            "writeTextFile d + /beside, x": "NotCapable: Requires write access to \"@ROOT@/d/beside\"",
            "writeTextFile d + /new, x": "NotCapable: Requires write access to \"@ROOT@/d/new\"",
            "mkdir d + /new": "NotCapable: Requires write access to \"@ROOT@/d/new\"",
            "makeTempFile { dir: d }": "NotCapable: Requires write access to \"@ROOT@/d\"",
            "copyFile d + /file, d + /new": "NotCapable: Requires write access to \"@ROOT@/d/new\"",
            "copyFile d + /beside, d + /file": "NotCapable: Requires read access to \"@ROOT@/d/beside\"",
            "link d + /file, d + /new": "NotCapable: Requires write access to \"@ROOT@/d/new\"",
            "remove d, { recursive: true }": "NotCapable: Requires write access to \"@ROOT@/d\""
        }"#,
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
        return {
          "remove file": start(await both("remove", file)),
          "rename file, /ws/moved": start(await both("rename", file, "@ROOT@/ws/moved")),
          "rename /d/beside, file": start(await both("rename", "@ROOT@/d/beside", file)),
          "symlink beside, file": start(await both("symlink", "beside", file)),
          "symlink /d/beside, file": start(await both("symlink", "@ROOT@/d/beside", file)),
          "readTextFile file": await both("readTextFile", file),
        };"#,
        r#"{
            "remove file": "NotCapable",
            "rename file, /ws/moved": "NotCapable",
            "rename /d/beside, file": "NotCapable",
            "symlink beside, file": "NotCapable",
            "symlink /d/beside, file": "NotCapable",
            "readTextFile file": "granted"
        }"#,
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
        return {
          "readTextFile /link": await both("readTextFile", "@ROOT@/link"),
          "writeTextFile /link, new": await both("writeTextFile", "@ROOT@/link", "new"),
          "readTextFile /d/file": await both("readTextFile", "@ROOT@/d/file"),
          "realPath /link": await both("realPath", "@ROOT@/link"),
          "readTextFile /d/beside": start(await both("readTextFile", "@ROOT@/d/beside")),
          "readTextFile /d/link": start(await both("readTextFile", "@ROOT@/d/link")),
          "readLink /link": start(await both("readLink", "@ROOT@/link")),
          "remove /link": start(await both("remove", "@ROOT@/link")),
          "rename /link, /ws/l*": start(await both("rename", "@ROOT@/link", "@ROOT@/ws/l*")),
          "remove /d/file": start(await both("remove", "@ROOT@/d/file")),
        };"#,
        r#"{
            "readTextFile /link": "granted",
            "writeTextFile /link, new": "done",
            "readTextFile /d/file": "new",
            "realPath /link": "@ROOT@/d/file",
            "readTextFile /d/beside": "NotCapable: Requires read access to \"@ROOT@/d/beside\"",
            "readTextFile /d/link": "NotCapable: Requires read access to \"@ROOT@/d/link\"",
            "readLink /link": "NotCapable: Requires read access to \"@ROOT@/link\"",
            "remove /link": "NotCapable: Requires write access to \"@ROOT@/link\"",
            "rename /link, /ws/l*": "NotCapable: Requires read access to \"@ROOT@/link\"",
            "remove /d/file": "NotCapable: Requires write access to \"@ROOT@/d/file\""
        }"#,
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
        return {
          "readTextFile later": start(await both("readTextFile", later)),
          "readTextFile later + 2": start(await both("readTextFile", later + "2")),
          "readTextFile /d/beside": start(await both("readTextFile", "@ROOT@/d/beside")),
          "writeTextFile /d/new, x": start(await both("writeTextFile", "@ROOT@/d/new", "x")),
          "writeTextFile later, made": await both("writeTextFile", later, "made"),
          "readTextFile later, 2": await both("readTextFile", later),
          "remove later": start(await both("remove", later)),
          "writeTextFile /no/such/file, x": start(await both("writeTextFile", "@ROOT@/no/such/file", "x")),
          "mkdir /no/such, { recursive: true }": start(await both("mkdir", "@ROOT@/no/such", { recursive: true })),
        };"#,
        r#"{
            "readTextFile later": "NotFound: No such file or directory",
            "readTextFile later + 2": "NotCapable: Requires read access to \"@ROOT@/d/later2\"",
            "readTextFile /d/beside": "NotCapable: Requires read access to \"@ROOT@/d/beside\"",
            "writeTextFile /d/new, x": "NotCapable: Requires write access to \"@ROOT@/d/new\"",
            "writeTextFile later, made": "done",
            "readTextFile later, 2": "made",
            "remove later": "NotCapable: Requires write access to \"@ROOT@/d/later\"",
            "writeTextFile /no/such/file, x": "NotFound: No such file or directory",
            "mkdir /no/such, { recursive: true }": "NotCapable: Requires write access to \"@ROOT@/no/such\""
        }"#,
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
        return {
          "readTextFile /d/beside": await both("readTextFile", "@ROOT@/d/beside"),
          "readTextFile file": start(await both("readTextFile", file)),
          "readTextFile /d/alias": start(await both("readTextFile", "@ROOT@/d/alias")),
          "readTextFile /d/alias2": start(await both("readTextFile", "@ROOT@/d/alias2")),
          "readTextFile /d/x/../file": start(await both("readTextFile", "@ROOT@/d/x/../file")),
          "stat file": start(await both("stat", file)),
          "copyFile file, /d/copy": start(await both("copyFile", file, "@ROOT@/d/copy")),
          "link file, /d/copy": start(await both("link", file, "@ROOT@/d/copy")),
          "open file, { read: true, write: true }": start(await both("open", file, { read: true, write: true })),
          "rename file, /d/r": start(await both("rename", file, "@ROOT@/d/r")),
          "remove file": start(await both("remove", file)),
          "writeTextFile file, written": await both("writeTextFile", file, "written"),
        };"#,
        r#"{
            "readTextFile /d/beside": "NEIGHBOUR",
            "readTextFile file": "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "readTextFile /d/alias": "NotCapable: Requires read access to \"@ROOT@/d/alias\"",
            "readTextFile /d/alias2": "NotCapable: Requires read access to \"@ROOT@/d/alias2\"",
            "readTextFile /d/x/../file": "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "stat file": "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "copyFile file, /d/copy": "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "link file, /d/copy": "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "open file, { read: true, write: true }": "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "rename file, /d/r": "NotCapable: Requires read access to \"@ROOT@/d/file\"",
            "remove file": "NotCapable: Requires write access to \"@ROOT@/d/file\"",
            "writeTextFile file, written": "done"
        }"#,
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
        return {{
          "sh cat ${{d}}/file": await sh(`cat ${{d}}/file`),
          "sh echo new > ${{d}}/file && cat ${{d}}/file": await sh(`echo new > ${{d}}/file && cat ${{d}}/file`),
          "code cat ${{d}}/beside": await code(`cat ${{d}}/beside`),
          "code echo x > ${{d}}/beside": await code(`echo x > ${{d}}/beside`),
          "code ls ${{d}}": await code(`ls ${{d}}`),
          "code echo x > ${{d}}/made": await code(`echo x > ${{d}}/made`),
          "code rm ${{d}}/file": await code(`rm ${{d}}/file`),
          "code mv ${{d}}/file ${{d}}/m": await code(`mv ${{d}}/file ${{d}}/m`),
        }};"#
        ),
        r#"{
            "sh cat ${d}/file": [0, "granted", ""],
            "sh echo new > ${d}/file && cat ${d}/file": [0, "new\n", ""],
            "code cat ${d}/beside": false,
            "code echo x > ${d}/beside": false,
            "code ls ${d}": false,
            "code echo x > ${d}/made": false,
            "code rm ${d}/file": false,
            "code mv ${d}/file ${d}/m": false
        }"#,
    );
}
