//! Ops of node:url, node:dns and node:punycode: domain names in Unicode and in ASCII.

use std::borrow::Cow;

use deno_core::op2;
use deno_core::url::Host;

const PUNYCODE: &str = "xn--";

/// What `punycode` throws, in Node's words.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub(super) enum IdnaError {
    #[class(range)]
    #[error("Invalid input")]
    Invalid,
    #[class(generic)]
    #[error("Input would take more than 63 characters to encode")]
    TooLong,
    #[class(range)]
    #[error("Illegal input >= 0x80 (not a basic code point)")]
    NotBasic,
}

/// Each label of a domain by a function. What is before the @ of an address stays.
fn labels(
    domain: &str,
    map: impl Fn(&str) -> Result<Cow<'_, str>, IdnaError>,
) -> Result<String, IdnaError> {
    let (local, domain) = match domain.split_once('@') {
        Some((local, domain)) => (format!("{local}@"), domain),
        None => (String::new(), domain),
    };
    let labels: Vec<_> = domain.split('.').map(map).collect::<Result<_, IdnaError>>()?;
    Ok(format!("{local}{}", labels.join(".")))
}

fn label_to_ascii(label: &str) -> Result<Cow<'_, str>, IdnaError> {
    if label.is_ascii() {
        return Ok(label.into());
    }
    let encoded = idna::punycode::encode_str(label).ok_or(IdnaError::TooLong)?;
    Ok(format!("{PUNYCODE}{encoded}").into())
}

fn label_to_unicode(label: &str) -> Result<Cow<'_, str>, IdnaError> {
    match label.strip_prefix(PUNYCODE) {
        Some(encoded) => Ok(decode(&encoded.to_lowercase())?.into()),
        None => Ok(label.into()),
    }
}

fn decode(encoded: &str) -> Result<String, IdnaError> {
    idna::punycode::decode_to_string(encoded).ok_or(IdnaError::Invalid)
}

/// `punycode.toASCII`.
#[op2]
#[string]
pub(super) fn op_node_idna_punycode_to_ascii(#[string] domain: &str) -> Result<String, IdnaError> {
    labels(domain, label_to_ascii)
}

/// `punycode.toUnicode`.
#[op2]
#[string]
pub(super) fn op_node_idna_punycode_to_unicode(
    #[string] domain: &str,
) -> Result<String, IdnaError> {
    labels(domain, label_to_unicode)
}

/// `punycode.decode`.
#[op2]
#[string]
pub(super) fn op_node_idna_punycode_decode(#[string] text: &str) -> Result<String, IdnaError> {
    let basic = text.rfind('-').map_or("", |dash| &text[..dash]);
    if !basic.is_ascii() {
        return Err(IdnaError::NotBasic);
    }
    decode(text)
}

/// `punycode.encode`.
#[op2]
#[string]
pub(super) fn op_node_idna_punycode_encode(#[string] text: &str) -> String {
    idna::punycode::encode_str(text).unwrap_or_default()
}

/// ToASCII of UTS #46, and nothing for what is not a domain.
#[op2]
#[string]
pub(super) fn op_node_idna_to_ascii(#[string] domain: &str) -> String {
    idna::domain_to_ascii(domain).unwrap_or_default()
}

/// `url.domainToASCII`: what the WHATWG's host parser makes of it.
#[op2]
#[string]
pub(super) fn op_node_idna_domain_to_ascii(#[string] domain: &str) -> String {
    host(domain)
}

fn host(domain: &str) -> String {
    let domain = domain.replace(['\t', '\n', '\r'], "");
    let end = domain.find(['/', '\\', '?', '#']).unwrap_or(domain.len());
    Host::parse(&domain[..end]).map(|host| host.to_string()).unwrap_or_default()
}

/// `url.domainToUnicode`.
#[op2]
#[string]
pub(super) fn op_node_idna_domain_to_unicode(#[string] domain: &str) -> String {
    idna::domain_to_unicode(domain).0
}

#[cfg(test)]
mod tests {
    use super::{host, label_to_ascii, label_to_unicode, labels};

    #[test]
    fn labels_are_encoded_one_by_one() {
        let ascii = |domain| labels(domain, label_to_ascii).expect("short labels");
        assert_eq!(ascii("mañana.com"), "xn--maana-pta.com");
        assert_eq!(ascii("ñ@mañana.com"), "ñ@xn--maana-pta.com");
        let unicode = |domain| labels(domain, label_to_unicode).expect("valid");
        assert_eq!(unicode("xn--maana-pta.com"), "mañana.com");
    }

    #[test]
    fn a_host_is_what_the_url_parser_makes_of_it() {
        assert_eq!(host("español.com/a?b"), "xn--espaol-zwa.com");
        assert_eq!(host("0xff.0.0.1"), "255.0.0.1");
        assert_eq!(host("xn--iñvalid.com"), "");
        assert_eq!(host("a b"), "");
    }
}
