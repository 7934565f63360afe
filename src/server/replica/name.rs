//! Names of replicas, which go into headers and into addresses of balancers.

/// Bytes of a name: of a host name (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;

/// A name that may be passed on, whoever wrote it.
pub(in crate::server) fn checked(name: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    let fits = (1..=MAX_NAME).contains(&name.len());
    (fits && name.bytes().all(is_plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_host_name_or_an_address() {
        for name in ["conductor-7d4b9-x2x", "10.0.3.7", "fd00::7", "A_b.c"] {
            assert_eq!(checked(name), Some(name));
        }
        for name in ["", "a b", "a/b", "a\r\nb", "ä", &"a".repeat(254)] {
            assert_eq!(checked(name), None, "{name:?}");
        }
    }
}
