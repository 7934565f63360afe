use std::str::FromStr;
use std::time::Duration;

use super::*;
use crate::fetch::wheels::candidates::Rules;
use crate::fetch::wheels::lock::Lock;
use crate::fetch::wheels::{markers, metadata};
use crate::pypi::PypiSpecifier;
use crate::simple_index::IndexFile;

fn version(text: &str) -> Version {
    Version::from_str(text).expect("a version")
}

/// Packages with versions, each with its requirements.
fn known(packages: &[(&str, &[(&str, &str)])]) -> Known {
    let python = version("3.15.0");
    let mut known = Known::new(markers::environment(&python));
    let rules = Rules { python, min_age: Duration::ZERO, lock: Lock::default() };
    for (name, versions) in packages {
        let file = |text: &str| IndexFile {
            name: format!("{name}-{text}-py3-none-any.whl"),
            url: url::Url::parse("http://a.example/x").expect("a URL"),
            sha256: Some("0".repeat(64)),
            requires_python: None,
            uploaded: None,
            bytes: None,
            yanked: text.ends_with(".13"),
            metadata: None,
        };
        let files = versions.iter().map(|(text, _)| file(text)).collect();
        known.add_project((*name).to_owned(), rules.candidates(name, files));
        for (text, needs) in *versions {
            let needs = needs.split('|').filter(|need| !need.is_empty());
            let text_of: String = needs.map(|need| format!("Requires-Dist: {need}\n")).collect();
            let metadata = metadata::parse(&text_of).expect("it is one");
            known.add_metadata((*name).to_owned(), version(text), metadata);
        }
    }
    known
}

fn solved(known: &Known, allowed: &[&str], included: &[(&str, &str)]) -> Result<String, String> {
    let wanted: Vec<Wanted> = allowed
        .iter()
        .map(|text| {
            let package = PypiSpecifier::parse(text).expect("a package");
            Wanted {
                name: package.name().to_owned(),
                extras: Vec::new(),
                versions: package.versions().clone(),
                by: package.to_string(),
            }
        })
        .collect();
    let included = included.iter().map(|(name, text)| ((*name).to_owned(), version(text)));
    match solve(known, &wanted, &included.collect())? {
        Step::Solved(solution) => {
            let texts = solution.iter().map(|(name, (version, _))| format!("{name} {version}"));
            Ok(texts.collect::<Vec<_>>().join(", "))
        }
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn the_highest_versions_that_satisfy_all_are_chosen() {
    let known = known(&[
        ("a", &[("1.0", "c<2"), ("2.0", "c>=1")]),
        ("b", &[("1.0", "c<2")]),
        ("c", &[("1.5", ""), ("2.0", "")]),
    ]);
    assert_eq!(solved(&known, &["pypi:a"], &[]).as_deref(), Ok("a 2.0, c 2.0"));
    assert_eq!(solved(&known, &["pypi:a", "pypi:b"], &[]).as_deref(), Ok("a 2.0, b 1.0, c 1.5"));
    assert_eq!(solved(&known, &["pypi:a@^1"], &[]).as_deref(), Ok("a 1.0, c 1.5"));
}

#[test]
fn a_version_whose_needs_cannot_be_met_gives_way_to_an_older_one() {
    let known = known(&[("a", &[("1.0", ""), ("2.0", "c>=9")]), ("c", &[("1.0", "")])]);
    assert_eq!(solved(&known, &["pypi:a"], &[]).as_deref(), Ok("a 1.0"));
    let error = solved(&known, &["pypi:a@^2"], &[]).expect_err("there is none");
    assert!(error.starts_with("a 2.0 needs c>=9, and there is no such wheel"), "{error}");
}

#[test]
fn markers_and_extras_are_those_of_python_here() {
    let known = known(&[
        ("a", &[("1", "w ; sys_platform == 'win32'|b[x]>=1|o ; python_version < '3.8'")]),
        ("b", &[("1", "c ; extra == 'x'|d ; extra == 'y'")]),
        ("c", &[("1", "")]),
    ]);
    assert_eq!(solved(&known, &["pypi:a"], &[]).as_deref(), Ok("a 1, b 1, c 1"));
    // The extra is asked for after the package was chosen.
    assert_eq!(solved(&known, &["pypi:b", "pypi:a"], &[]).as_deref(), Ok("a 1, b 1, c 1"));
}

#[test]
fn what_python_itself_has_counts_as_installed() {
    let known = known(&[("a", &[("1", "numpy>=2"), ("2", "numpy<2")])]);
    let included = [("numpy", "2.5.2")];
    assert_eq!(solved(&known, &["pypi:a"], &included).as_deref(), Ok("a 1"));
    let error = solved(&known, &["pypi:a@2"], &included).expect_err("it is another");
    assert!(error.contains("a 2 needs numpy<2, and Python itself has 2.5.2"), "{error}");
}

#[test]
fn yanked_versions_and_those_before_a_release_are_taken_if_they_are_named() {
    let known = known(&[("a", &[("1.0", ""), ("1.13", ""), ("2.0rc1", "")])]);
    assert_eq!(solved(&known, &["pypi:a"], &[]).as_deref(), Ok("a 1.0"));
    assert_eq!(solved(&known, &["pypi:a@==1.13"], &[]).as_deref(), Ok("a 1.13"));
    assert_eq!(solved(&known, &["pypi:a@>=2.0rc1"], &[]).as_deref(), Ok("a 2.0rc1"));
}

#[test]
fn packages_that_need_each_other_are_a_solution_and_urls_are_not() {
    let known = known(&[
        ("a", &[("1", "b")]),
        ("b", &[("1", "a")]),
        ("u", &[("1", "x @ https://a.example/x.whl")]),
    ]);
    assert_eq!(solved(&known, &["pypi:a"], &[]).as_deref(), Ok("a 1, b 1"));
    let error = solved(&known, &["pypi:u"], &[]).expect_err("a URL");
    assert!(error.contains("needs x from a URL"), "{error}");
}

#[test]
fn a_version_that_is_not_for_this_python_gives_way_to_an_older_one() {
    let mut known = known(&[("a", &[("2", ""), ("1", "")])]);
    known.leave_out("a", &version("2"));
    assert_eq!(solved(&known, &["pypi:a"], &[]).as_deref(), Ok("a 1"));
    known.leave_out("a", &version("1"));
    let error = solved(&known, &["pypi:a"], &[]).expect_err("none is left");
    assert!(error.contains("that of 2 is not for this Python, that of 1 is"), "{error}");
}

/// Packages `p0`, `p1`, …, each of which needs the next one.
fn chain(length: usize) -> Known {
    let names: Vec<String> = (0..length).map(|n| format!("p{n}")).collect();
    let needs: Vec<String> = names.iter().skip(1).cloned().chain([String::new()]).collect();
    let versions: Vec<[(&str, &str); 1]> =
        needs.iter().map(|need| [("1", need.as_str())]).collect();
    let packages =
        names.iter().zip(&versions).map(|(name, versions)| (name.as_str(), &versions[..]));
    known(&packages.collect::<Vec<_>>())
}

#[test]
fn as_many_packages_as_may_be_asked_for_can_need_each_other_in_a_chain() {
    let solution = solved(&chain(crate::fetch::wheels::MAX_PACKAGES), &["pypi:p0"], &[]);
    assert_eq!(solution.expect("there is one").split(", ").count(), 1000);
}

#[test]
fn requirements_are_looked_at_to_a_depth_and_no_further() {
    let needs = |count: usize| vec!["b>=1"; count].join("|");
    for (count, is_solved) in [(1200, true), (1300, false)] {
        let needs = needs(count);
        let versions = [("1", needs.as_str())];
        // Four packages have them, and each takes a step itself, as `b` does.
        let known = known(&[
            ("a1", &versions),
            ("a2", &versions),
            ("a3", &versions),
            ("a4", &versions),
            ("b", &[("1", "")]),
        ]);
        let found = solved(&known, &["pypi:a1", "pypi:a2", "pypi:a3", "pypi:a4"], &[]);
        match found {
            Ok(found) => assert!(is_solved, "{found}"),
            Err(error) => {
                assert!(!is_solved && error.contains("more than 5000 requirements"), "{error}");
            }
        }
    }
}

#[test]
fn a_search_that_does_not_end_is_given_up() {
    // Each of the versions of a package fails only at the end of what all others may be.
    let versions: Vec<(String, &str)> = (1..=9).map(|n| (n.to_string(), "")).collect();
    let versions: Vec<(&str, &str)> = versions.iter().map(|(v, n)| (v.as_str(), *n)).collect();
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut packages: Vec<(&str, &[(&str, &str)])> =
        names.iter().map(|name| (*name, &versions[..])).collect();
    packages.push(("z", &[("1", "absent>=9")]));
    packages.push(("absent", &[("1", "")]));
    let known = known(&packages);
    let allowed = ["pypi:a", "pypi:b", "pypi:c", "pypi:d", "pypi:e", "pypi:f", "pypi:z"];
    let error = solved(&known, &allowed, &[]).expect_err("there is none");
    assert!(error.contains("were found in 50000 steps"), "{error}");
}
