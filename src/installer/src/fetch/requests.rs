//! What the administrator allows, as requests to registries.

use std::collections::HashSet;

use deno_semver::package::PackageReq;

use super::names::{is_package_name, jsr_in_npm, parse_range};

/// An allowed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requested {
    /// As the administrator wrote it: `npm:axios@^1`.
    pub text: String,
    /// What is asked of an npm registry: `@jsr/std__path` of JSR's.
    pub req: PackageReq,
}

/// Reads the allow-list.
pub(super) fn parse_all(texts: &[String]) -> Result<Vec<Requested>, String> {
    let mut names = HashSet::new();
    let mut requested = Vec::with_capacity(texts.len());
    for text in texts {
        let one = parse(text).ok_or_else(|| {
            format!("{text:?} is not a package, for example npm:axios@^1 or jsr:@std/path")
        })?;
        if !names.insert(one.req.name.clone()) {
            return Err(format!("{text:?} is given twice, keep one version"));
        }
        requested.push(one);
    }
    Ok(requested)
}

fn parse(text: &str) -> Option<Requested> {
    let (kind, rest) = text.split_once(':')?;
    let (name, range) = split_range(rest);
    if !is_package_name(name) {
        return None;
    }
    let name = match kind {
        "npm" => name.to_owned(),
        "jsr" => jsr_in_npm(name)?,
        _ => return None,
    };
    let version_req = parse_range(range)?;
    Some(Requested {
        text: text.to_owned(),
        req: PackageReq { name: name.as_str().into(), version_req },
    })
}

/// The `@` of a scope is no beginning of a range.
fn split_range(text: &str) -> (&str, &str) {
    let after_scope = usize::from(text.starts_with('@'));
    match text[after_scope..].find('@') {
        Some(at) => (&text[..after_scope + at], &text[after_scope + at + 1..]),
        None => (text, "*"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_both_kinds_are_asked_of_npm_registries() {
        let texts = ["npm:axios@^1", "jsr:@std/path", "npm:@a/b@>=1 <2"].map(str::to_owned);
        let named = parse_all(&texts).expect("they are packages");
        let names: Vec<String> = named.iter().map(|one| one.req.to_string()).collect();
        assert_eq!(names, ["axios@^1", "@jsr/std__path", "@a/b@>=1 <2"]);
    }

    #[test]
    fn what_is_not_one_package_of_a_registry_is_an_error() {
        for text in [
            "axios",
            "npm:",
            "npm:../x",
            "npm:axios@npm:evil@1",
            "npm:%61xios",
            "jsr:path",
            "http:x",
            "npm:a@file:../x",
        ] {
            assert!(parse_all(&[text.to_owned()]).is_err(), "{text}");
        }
    }

    #[test]
    fn a_package_has_one_version() {
        let texts = ["npm:zod@3", "npm:zod@4"].map(str::to_owned);
        assert_eq!(
            parse_all(&texts).expect_err("two versions"),
            r#""npm:zod@4" is given twice, keep one version"#
        );
    }
}
