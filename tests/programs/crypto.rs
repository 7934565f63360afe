//! `crypto.subtle`: digests, keys, signatures, derivation.

use serde_json::{Value, json};

use super::runtimes::value;

/// The value of a program that may use `hex` and `text`.
#[track_caller]
fn value_with_helpers(source: &str) -> Value {
    let helpers = r"
        const hex = (buffer: ArrayBuffer) =>
          [...new Uint8Array(buffer)].map((n) => n.toString(16).padStart(2, '0')).join('');
        const text = (s: string) => new TextEncoder().encode(s);
        const { subtle } = crypto;";
    value(format!("{helpers}\n{source}"))
}

#[test]
fn digests_are_those_of_the_standard() {
    let source = "
        const digest = async (how: string) => hex(await subtle.digest(how, text('abc')));
        [await digest('SHA-1'), await digest('SHA-256')]";
    assert_eq!(
        value_with_helpers(source),
        json!([
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ])
    );
}

/// RFC 4231, test case 2.
#[test]
fn hmac_signs_and_verifies() {
    let source = "
        const how = { name: 'HMAC', hash: 'SHA-256' };
        const key = await subtle.importKey('raw', text('Jefe'), how, false, ['sign', 'verify']);
        const data = text('what do ya want for nothing?');
        const mac = await subtle.sign('HMAC', key, data);
        [hex(mac), await subtle.verify('HMAC', key, mac, data),
          await subtle.verify('HMAC', key, mac, text('x'))]";
    assert_eq!(
        value_with_helpers(source),
        json!(["5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", true, false])
    );
}

#[test]
fn aes_gcm_encrypts_and_decrypts() {
    let source = "
        const kind = { name: 'AES-GCM', length: 256 };
        const key = await subtle.generateKey(kind, true, ['encrypt', 'decrypt']);
        const how = { name: 'AES-GCM', iv: crypto.getRandomValues(new Uint8Array(12)) };
        const sealed = new Uint8Array(await subtle.encrypt(how, key, text('hi')));
        const opened = new TextDecoder().decode(await subtle.decrypt(how, key, sealed));
        sealed[0] ^= 1;
        [opened, sealed.length, await subtle.decrypt(how, key, sealed).catch((e) => e.name)]";
    assert_eq!(value_with_helpers(source), json!(["hi", 18, "OperationError"]));
}

#[test]
fn ecdsa_signs_with_a_generated_key() {
    let source = "
        const how = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
        const keys = await subtle.generateKey(how, true, ['sign', 'verify']) as CryptoKeyPair;
        const signature = await subtle.sign(how, keys.privateKey, text('data'));
        [await subtle.verify(how, keys.publicKey, signature, text('data')),
          (await subtle.exportKey('jwk', keys.publicKey)).kty, keys.privateKey.type]";
    assert_eq!(value_with_helpers(source), json!([true, "EC", "private"]));
}

/// RFC 7914, section 11.
#[test]
fn pbkdf2_derives() {
    let source = "
        const key = await subtle.importKey('raw', text('passwd'), 'PBKDF2', false, ['deriveBits']);
        const how = { name: 'PBKDF2', hash: 'SHA-256', salt: text('salt'), iterations: 1 };
        hex(await subtle.deriveBits(how, key, 512))";
    assert_eq!(
        value_with_helpers(source),
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
         49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"
    );
}

#[test]
fn a_uuid_is_of_version_four() {
    let source = r"/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
        .test(crypto.randomUUID())";
    assert_eq!(value(source), true);
}

#[test]
fn random_values_fill_arrays_of_integers_up_to_a_size() {
    let source = "
        const attempt = (array: any) => {
          try { return new Set(crypto.getRandomValues(array)).size > 8 } catch (e) { return e.name }
        };
        [attempt(new Uint8Array(64)), attempt(new Float32Array(64)),
          attempt(new Uint8Array(65537))]";
    assert_eq!(value(source), json!([true, "TypeMismatchError", "QuotaExceededError"]));
}
