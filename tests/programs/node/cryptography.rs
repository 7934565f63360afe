//! `node:crypto`: the crate's own ops, as they are.

use serde_json::json;

use crate::runtimes::value;

#[test]
fn hashes_ciphers_and_derived_keys_are_nodes() {
    let source = r#"
        import crypto from "node:crypto";
        import { promisify } from "node:util";
        const key = Buffer.alloc(32, 1), iv = Buffer.alloc(16, 2);
        const cipher = crypto.createCipheriv("aes-256-cbc", key, iv);
        const sealed = Buffer.concat([cipher.update("hello"), cipher.final()]);
        const decipher = crypto.createDecipheriv("aes-256-cbc", key, iv);
        const opened = Buffer.concat([decipher.update(sealed), decipher.final()]).toString();
        const { publicKey, privateKey } = crypto.generateKeyPairSync("ed25519");
        const signature = crypto.sign(null, Buffer.from("x"), privateKey);
        ({
          sha256: crypto.createHash("sha256").update("abc").digest("hex").slice(0, 16),
          hmac: crypto.createHmac("sha1", "k").update("abc").digest("base64"),
          opened,
          pbkdf2: (await promisify(crypto.pbkdf2)("p", "s", 1, 8, "sha256")).toString("hex"),
          verified: crypto.verify(null, Buffer.from("x"), publicKey, signature),
          same: crypto.timingSafeEqual(Buffer.from("a"), Buffer.from("a")),
          web: Buffer.from(await crypto.webcrypto.subtle.digest("SHA-256", Buffer.from("abc")))
            .toString("hex").slice(0, 16),
          lengths: [crypto.randomBytes(8).length, crypto.randomUUID().length],
        })"#;
    let expected = json!({
        "sha256": "ba7816bf8f01cfea",
        "hmac": "+b7wkf4A2fUShZODbbqZ4ZPwgXQ=",
        "opened": "hello",
        "pbkdf2": "372cc9815244c4a2",
        "verified": true,
        "same": true,
        "web": "ba7816bf8f01cfea",
        "lengths": [8, 36],
    });
    assert_eq!(value(source), expected);
}

#[test]
fn what_is_drawn_at_random_differs_from_run_to_run() {
    let source = r#"
        import crypto from "node:crypto";
        const { privateKey } = crypto.generateKeyPairSync("ed25519");
        [
          crypto.randomBytes(16).toString("hex"), crypto.randomUUID(),
          crypto.randomInt(2 ** 40), privateKey.export({ type: "pkcs8", format: "pem" }),
        ]"#;
    let (one, other) = (value(source), value(source));
    for (one, other) in
        one.as_array().expect("a list").iter().zip(other.as_array().expect("a list"))
    {
        assert_ne!(one, other);
    }
}
