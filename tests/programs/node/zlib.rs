//! `node:zlib`.

use serde_json::json;

use crate::runtimes::value;

#[test]
fn every_format_comes_back_in_both_forms() {
    let source = r#"
        const zlib = require("node:zlib"), { promisify } = require("node:util");
        const text = "some text, ".repeat(10_000);
        const pairs = [["gzip", "gunzip"], ["gzip", "unzip"], ["deflate", "inflate"],
          ["deflateRaw", "inflateRaw"], ["brotliCompress", "brotliDecompress"], ["zstdCompress", "zstdDecompress"]];
        const same: boolean[] = [];
        for (const [pack, unpack] of pairs) {
          same.push(zlib[`${unpack}Sync`](zlib[`${pack}Sync`](text)).toString() === text);
          same.push(String(await promisify(zlib[unpack])(await promisify(zlib[pack])(text))) === text);
        }
        same"#;
    assert_eq!(value(source), json!(vec![true; 12]));
}

#[test]
fn what_is_of_no_format_is_an_error_with_zlibs_code() {
    let source = r#"
        const zlib = require("node:zlib");
        const failure = (action: () => unknown) => {
          try { action(); return null; } catch (e: any) { return `${e.code} ${e.errno} ${e.message}`; }
        };
        [
          failure(() => zlib.gunzipSync(Buffer.from("nonsense"))),
          failure(() => zlib.inflateSync(zlib.deflateSync("some text").subarray(0, 8))),
          failure(() => zlib.gunzipSync(zlib.gzipSync("x".repeat(1000)), { maxOutputLength: 100 })),
        ]"#;
    assert_eq!(
        value(source),
        json!([
            "Z_DATA_ERROR -3 incorrect header check",
            "Z_BUF_ERROR -5 unexpected end of file",
            "ERR_BUFFER_TOO_LARGE undefined Cannot create a Buffer larger than 100 bytes",
        ])
    );
}

#[test]
fn buffers_that_lie_over_each_other_are_refused_and_the_numbers_are_written_last() {
    let source = r#"
        const zlib = require("node:zlib");
        const stream = zlib.createGzip(), handle = stream._handle;
        const memory = new ArrayBuffer(64), all = new Uint8Array(memory);
        const input = Buffer.from("abc");
        const write = (input: Uint8Array, output: Uint8Array, left: Uint32Array) => {
          try { handle.write(0, input, 0, input.length, output, 0, output.length, left); return "written"; }
          catch (e: any) { return e.message; }
        };
        const left = new Uint32Array(memory, 0, 2);
        [write(all, all, new Uint32Array(2)), write(input, all, left), [...left]]"#;
    assert_eq!(
        value(source),
        json!(["Input and output must be different buffers", "written", [54, 0]])
    );
}

#[test]
fn sums_go_on_from_others() {
    let source = r#"
        const { crc32 } = require("node:zlib");
        [crc32("123456789"), crc32(Buffer.from("6789"), crc32("12345"))]"#;
    assert_eq!(value(source), json!([0xcbf4_3926_u32, 0xcbf4_3926_u32]));
}
