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
        let expected = "Error: The run may write 20000000 bytes, all files together \
            (MCP_CONDUCTOR_MAX_WRITE_SIZE): copy 'sparse' -> '";
        assert!(message.starts_with(expected), "{message}");
        let size = host.files.path(file).metadata().unwrap().len();
        assert!(size <= limit, "{size}");
    }
    let source = std::fs::File::create(host.files.path("ws/half")).unwrap();
    source.set_len(9_000_000).unwrap();
    host.gives(
        r#"
        const start = (said: string) => said.split(",")[0];
        const seen = [];
        for (const name of ["c", "d", "e"]) seen.push(start(await t(() => Deno.copyFile("half", name))));
        return [...seen, ["c", "d", "e"].map((name) => Deno.statSync(name).size),
          await t(() => Deno.writeFileSync("f", new Uint8Array(1_000_000))),
          start(await t(() => Deno.writeFileSync("f", new Uint8Array(1_100_000))))];"#,
        r#"[
            "done",
            "done",
            "Error: The run may write 20000000 bytes",
            [9000000, 9000000, 0],
            "done",
            "Error: The run may write 20000000 bytes"
        ]"#,
    );
}

#[test]
fn a_write_over_the_limit_leaves_the_file_as_it_was() {
    let host = Host::with(WORKSPACE, |config| config.with_max_write_size(1000));
    host.gives(
        r#"
        for (const x of ["a", "s"]) Deno.writeTextFileSync(`kept${x}`, "before");
        const big = new Uint8Array(1001), start = (said: string) => said.split(",")[0];
        return [
          start(await both("writeFile", "kept*", big)), read("kept*"),
          start(await both("writeFile", "kept*", big, { append: true })), read("kept*"),
          start(await both("writeTextFile", "kept*", "x".repeat(1001))), read("kept*"),
          start(await both("writeFile", "new*", big)),
          (await both("stat", "newa")).split(" (")[0], (await both("stat", "news")).split(" (")[0],
          await both("writeTextFile", "kept*", "after"), read("kept*"),
        ];"#,
        r#"[
            "Error: The run may write 1000 bytes",
            "before",
            "Error: The run may write 1000 bytes",
            "before",
            "Error: The run may write 1000 bytes",
            "before",
            "Error: The run may write 1000 bytes",
            "NotFound: No such file or directory",
            "NotFound: No such file or directory",
            "done",
            "after"
        ]"#,
    );
}
