//! Bytes over the limit on what a run may write: the file is as it was.

use mcp_conductor::ErrorKind;

use crate::{Host, WORKSPACE};

#[test]
fn a_copy_counts_as_written_and_ends_at_the_limit() {
    let limit = 20_000_000;
    let host = Host::with(WORKSPACE, |config| config.with_max_write_size(limit));
    for (program, file) in [
        ("Deno.copyFileSync('sparse', 'a')", "ws/a"),
        ("await Deno.copyFile('sparse', 'b')", "ws/b"),
    ] {
        let (kind, message) = host.error(program);
        assert_eq!(kind, ErrorKind::Runtime, "{message}");
        let expected = "Error: The run may write at most 20000000 bytes to all files together \
                        (MCP_CONDUCTOR_MAX_WRITE_SIZE): copy 'sparse' -> '";
        assert!(message.starts_with(expected), "{message}");
        let size = host.files.path(file).metadata().unwrap().len();
        assert!(size <= limit, "{size}");
    }
    let source = std::fs::File::create(host.files.path("ws/half")).unwrap();
    source.set_len(9_000_000).unwrap();
    host.gives(
        r#"
        const start = (said: string) => said.split(" to all")[0];
        const seen: any = {};
        for (const name of ["c", "d", "e"]) {
          seen[`copy to ${name}`] = start(await t(() => Deno.copyFile("half", name)));
        }
        return {
          ...seen,
          "sizes of the copies": ["c", "d", "e"].map((name) => Deno.statSync(name).size),
          "what is left": await t(() => Deno.writeFileSync("f", new Uint8Array(1_000_000))),
          "more": start(await t(() => Deno.writeFileSync("f", new Uint8Array(1_100_000)))),
        };"#,
        r#"{
            "copy to c": "done",
            "copy to d": "done",
            "copy to e": "Error: The run may write at most 20000000 bytes",
            "sizes of the copies": [9000000, 9000000, 0],
            "what is left": "done",
            "more": "Error: The run may write at most 20000000 bytes"
        }"#,
    );
}

#[test]
fn a_write_over_the_limit_leaves_the_file_as_it_was() {
    let host = Host::with(WORKSPACE, |config| config.with_max_write_size(1000));
    host.gives(
        r#"
        for (const x of ["a", "s"]) Deno.writeTextFileSync(`kept${x}`, "before");
        const big = new Uint8Array(1001), start = (said: string) => said.split(" to all")[0];
        return {
          "writeFile kept*, big": start(await both("writeFile", "kept*", big)),
          "read kept*": read("kept*"),
          "writeFile kept*, big, { append: true }": start(await both("writeFile", "kept*", big, { append: true })),
          "read kept*, 2": read("kept*"),
          "writeTextFile kept*, x.repeat 1001": start(await both("writeTextFile", "kept*", "x".repeat(1001))),
          "read kept*, 3": read("kept*"),
          "writeFile new*, big": start(await both("writeFile", "new*", big)),
          "stat newa": (await both("stat", "newa")).split(" (")[0],
          "stat news": (await both("stat", "news")).split(" (")[0],
          "writeTextFile kept*, after": await both("writeTextFile", "kept*", "after"),
          "read kept*, 4": read("kept*"),
        };"#,
        r#"{
            "writeFile kept*, big": "Error: The run may write at most 1000 bytes",
            "read kept*": "before",
            "writeFile kept*, big, { append: true }": "Error: The run may write at most 1000 bytes",
            "read kept*, 2": "before",
            "writeTextFile kept*, x.repeat 1001": "Error: The run may write at most 1000 bytes",
            "read kept*, 3": "before",
            "writeFile new*, big": "Error: The run may write at most 1000 bytes",
            "stat newa": "NotFound: No such file or directory",
            "stat news": "NotFound: No such file or directory",
            "writeTextFile kept*, after": "done",
            "read kept*, 4": "after"
        }"#,
    );
}
