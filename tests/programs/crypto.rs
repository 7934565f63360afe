//! `crypto.subtle`: digests, keys, signatures, derivation.

use serde_json::json;

use super::common::value;

const HEX: &str =
    "const hex = (b: ArrayBuffer) => [...new Uint8Array(b)].map((n) => n.toString(16).padStart(2, '0')).join('');
     const text = (s: string) => new TextEncoder().encode(s);\n";

#[test]
fn digests_are_those_of_the_standard() {
    assert_eq!(
        value(format!(
            "{HEX} [hex(await crypto.subtle.digest('SHA-1', text('abc'))), hex(await crypto.subtle.digest('SHA-256', text('abc')))]"
        )),
        json!([
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ])
    );
}

#[test]
fn hmac_signs_and_verifies() {
    // RFC 4231, test case 2.
    assert_eq!(
        value(format!(
            "{HEX} const key = await crypto.subtle.importKey('raw', text('Jefe'), {{ name: 'HMAC', hash: 'SHA-256' }}, false, ['sign', 'verify']);
             const data = text('what do ya want for nothing?'), mac = await crypto.subtle.sign('HMAC', key, data);
             [hex(mac), await crypto.subtle.verify('HMAC', key, mac, data), await crypto.subtle.verify('HMAC', key, mac, text('x'))]"
        )),
        json!(["5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", true, false])
    );
}

#[test]
fn aes_gcm_encrypts_and_decrypts() {
    assert_eq!(
        value(format!(
            "{HEX} const key = await crypto.subtle.generateKey({{ name: 'AES-GCM', length: 256 }}, true, ['encrypt', 'decrypt']);
             const how = {{ name: 'AES-GCM', iv: crypto.getRandomValues(new Uint8Array(12)) }};
             const sealed = new Uint8Array(await crypto.subtle.encrypt(how, key, text('hi')));
             const open = new TextDecoder().decode(await crypto.subtle.decrypt(how, key, sealed));
             sealed[0] ^= 1;
             [open, sealed.length, await crypto.subtle.decrypt(how, key, sealed).catch((e) => e.name)]"
        )),
        json!(["hi", 18, "OperationError"])
    );
}

#[test]
fn ecdsa_signs_with_a_generated_key() {
    assert_eq!(
        value(
            "const how = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }, data = new Uint8Array([1]);
             const { privateKey, publicKey } = await crypto.subtle.generateKey(how, true, ['sign', 'verify']) as CryptoKeyPair;
             const signature = await crypto.subtle.sign(how, privateKey, data);
             const jwk = await crypto.subtle.exportKey('jwk', publicKey);
             [await crypto.subtle.verify(how, publicKey, signature, data), jwk.kty, privateKey.type]"
        ),
        json!([true, "EC", "private"])
    );
}

#[test]
fn pbkdf2_derives() {
    // RFC 7914, section 11.
    assert_eq!(
        value(format!(
            "{HEX} const key = await crypto.subtle.importKey('raw', text('passwd'), 'PBKDF2', false, ['deriveBits']);
             hex(await crypto.subtle.deriveBits({{ name: 'PBKDF2', hash: 'SHA-256', salt: text('salt'), iterations: 1 }}, key, 512))"
        )),
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
         49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"
    );
}

#[test]
fn random_values_fill_arrays_of_integers_only() {
    assert_eq!(
        value(
            "const filled = crypto.getRandomValues(new Uint8Array(64));
             const wrong = (f: () => any) => { try { f() } catch (e) { return (e as Error).name } };
             [new Set(filled).size > 8, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()),
              wrong(() => crypto.getRandomValues(new Float32Array(1) as any)),
              wrong(() => crypto.getRandomValues(new Uint8Array(65537)))]"
        ),
        json!([true, true, "TypeMismatchError", "QuotaExceededError"])
    );
}
