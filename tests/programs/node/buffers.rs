//! `node:buffer` and what it decodes, `node:string_decoder`, `node:url`, `node:punycode`.

use serde_json::json;

use crate::runtimes::value;

#[test]
fn text_goes_in_and_out_of_buffers_in_every_encoding() {
    let source = r#"
        const text = "añ€😀";
        const names = ["utf8", "utf16le", "latin1", "ascii", "base64", "base64url", "hex"] as const;
        Object.fromEntries(names.map((name) => {
          const buffer = Buffer.from(text, "utf8");
          return [name, Buffer.from(buffer.toString(name), name).toString("hex")];
        }))"#;
    let whole = "61c3b1e282acf09f9880";
    let expected = json!({
        "utf8": whole, "utf16le": whole, "latin1": whole, "ascii": "61433162022c701f1800",
        "base64": whole, "base64url": whole, "hex": whole,
    });
    assert_eq!(value(source), expected);
}

#[test]
fn ill_formed_text_is_replaced_as_node_replaces_it() {
    let source = r#"
        import { isAscii, isUtf8, transcode } from "node:buffer";
        import { StringDecoder } from "node:string_decoder";
        const decoder = new StringDecoder("utf8");
        [
          Buffer.from([0xe2, 0x82, 0x61, 0xff]).toString(),
          decoder.write(Buffer.from([0xe2, 0x82])) + decoder.write(Buffer.from([0xac])),
          isAscii(Buffer.from("a")), isUtf8(Buffer.from([0xff])),
          transcode(Buffer.from("€"), "utf8", "latin1").toString(),
        ]"#;
    assert_eq!(value(source), json!(["\u{fffd}a\u{fffd}", "€", true, false, "?"]));
}

#[test]
fn odd_ends_of_buffers_are_errors_and_nothing_more() {
    let source = r#"
        const buffer = Buffer.from("abcdef") as any;
        const attempt = (action: () => unknown) => {
          try { return action(); } catch (e: any) { return e.code ?? e.name; }
        };
        [
          attempt(() => buffer.utf8Slice(4, 2)), attempt(() => buffer.utf8Slice(0, 2 ** 53)),
          attempt(() => buffer.latin1Slice(-1, 2)), attempt(() => buffer.compare(buffer, 5, 2)),
          attempt(() => buffer.compare(buffer, 0, 2 ** 31)),
          attempt(() => buffer.toString("utf8", 2, 100)), attempt(() => buffer.readUInt32BE(4)),
        ]"#;
    let expected = json!([
        "",
        "ERR_OUT_OF_RANGE",
        "ERR_OUT_OF_RANGE",
        1,
        "ERR_OUT_OF_RANGE",
        "cdef",
        "ERR_OUT_OF_RANGE"
    ]);
    assert_eq!(value(source), expected);
}

#[test]
fn domains_and_urls_are_mapped_as_nodes() {
    let source = r#"
        import url from "node:url";
        import punycode from "node:punycode";
        [
          url.domainToASCII("español.com"), url.domainToUnicode("xn--espaol-zwa.com"),
          punycode.encode("mañana"), punycode.toUnicode("xn--maana-pta.com"),
          url.parse("http://user@a.b:81/c?d=e#f").auth, url.pathToFileURL("/a b").href,
        ]"#;
    let expected = json!([
        "xn--espaol-zwa.com",
        "español.com",
        "maana-pta",
        "mañana.com",
        "user",
        "file:///a%20b"
    ]);
    assert_eq!(value(source), expected);
}
