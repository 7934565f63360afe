//! Grants, exceptions and paths of any shape, decided by name: nothing here
//! exists, so that no symbolic link plays a part.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::grants::{Rule, Scope, expand_path, normalize};
use super::paths::{AllowedPath, PathRefusal, PathRules};
use super::{Denied, Permission};

/// An absolute path of names that no machine has, with detours.
fn path() -> impl Strategy<Value = String> {
    let names = vec!["no-such-a", "no-such-b", "no-such-c", "..", ".", ""];
    vec(select(names), 1..6).prop_map(|names| format!("/{}", names.join("/")))
}

/// As a program writes it: relative, too.
fn written() -> impl Strategy<Value = String> {
    (path(), any::<bool>())
        .prop_map(|(path, relative)| if relative { path[1..].to_owned() } else { path })
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        1 => Just(Scope::Nothing),
        1 => Just(Scope::All),
        8 => vec(path(), 1..4).prop_map(Scope::Only),
    ]
}

fn rules(allow: &Scope, deny: &Scope) -> PathRules {
    let rule = Rule { allow: allow.clone(), deny: deny.clone() };
    let expand = |text: &str| expand_path(text, None, Path::new("/"));
    PathRules::new(Permission::Read, &rule, &[], &[], expand).expect("the root directory opens")
}

/// Whether a scope has this path in it, as its words say.
fn covers(scope: &Scope, path: &Path) -> bool {
    match scope {
        Scope::Nothing => false,
        Scope::All => true,
        Scope::Only(list) => list.iter().any(|start| path.starts_with(normalize(Path::new(start)))),
    }
}

/// Where the broker would open it: the anchor's place, and the way from there.
fn opened_at(path: &AllowedPath) -> PathBuf {
    let anchor = format!("/proc/self/fd/{}", path.anchor().as_raw_fd());
    let anchor = std::fs::read_link(anchor).expect("the anchor is open");
    let way = path.below_anchor();
    assert!(way.is_relative() && !way.components().any(|name| name.as_os_str() == ".."));
    normalize(&anchor.join(way))
}

proptest! {
    #[test]
    fn a_path_is_allowed_if_it_is_granted_and_not_denied(
        allow in scope(), deny in scope(), cwd in path(), path in written()
    ) {
        let rules = rules(&allow, &deny);
        let cwd = normalize(Path::new(&cwd));
        let meant = normalize(&cwd.join(&path));
        let expected = !path.is_empty() && covers(&allow, &meant) && !covers(&deny, &meant);
        match rules.check(&path, &cwd) {
            Ok(allowed) => {
                prop_assert!(expected);
                prop_assert_eq!(allowed.absolute(), &meant);
                prop_assert_eq!(opened_at(&allowed), meant.clone());
                prop_assert_eq!(rules.opened(&allowed, &meant), Ok(()));
            }
            Err(PathRefusal::Empty) => prop_assert!(path.is_empty()),
            Err(refusal) => prop_assert!(!expected, "{refusal:?}"),
        }
    }

    #[test]
    fn wherever_an_allowed_path_leads_is_granted_and_not_denied(
        allow in scope(), deny in scope(), path in path(), real in path()
    ) {
        let rules = rules(&allow, &deny);
        let real = normalize(Path::new(&real));
        if let Ok(allowed) = rules.check(&path, Path::new("/")) {
            let expected = covers(&allow, &real) && !covers(&deny, &real);
            prop_assert_eq!(rules.opened(&allowed, &real).is_ok(), expected);
        }
    }

    #[test]
    fn what_can_be_moved_has_no_grant_and_no_exception_in_it(
        allow in scope(), deny in scope(), place in path()
    ) {
        let place = normalize(Path::new(&place));
        let holds = |scope: &Scope| match scope {
            Scope::Only(list) => {
                list.iter().any(|inside| normalize(Path::new(inside)).starts_with(&place))
            }
            // Everything begins at the root directory; to deny it leaves nothing to move.
            Scope::All | Scope::Nothing => false,
        };
        let root_is_granted = allow == Scope::All && place == Path::new("/");
        let expected = holds(&allow) || holds(&deny) || root_is_granted;
        prop_assert_eq!(rules(&allow, &deny).guards(&place), expected);
    }

    #[test]
    fn a_query_is_answered_as_the_call_would_be(
        allow in scope(), deny in scope(), path in path()
    ) {
        let rules = rules(&allow, &deny);
        let (granted, denied, _) = rules.query(Some(&path), Path::new("/"));
        prop_assert_eq!(granted, rules.check(&path, Path::new("/")).is_ok());
        prop_assert_eq!(denied, covers(&deny, &normalize(Path::new(&path))));
    }

    #[test]
    fn the_kernels_files_are_closed_whatever_is_granted(
        names in vec(select(vec!["proc", "sys", "dev", "self", "no-such-a", "..", "."]), 1..5)
    ) {
        let rules = rules(&Scope::All, &Scope::Nothing);
        let path = format!("/{}", names.join("/"));
        let meant = normalize(Path::new(&path));
        let closed = ["/proc", "/sys", "/dev"].iter().any(|tree| meant.starts_with(tree));
        prop_assert_eq!(rules.check(&path, Path::new("/no-such-a")).is_err(), closed);
        if let Ok(harmless) = rules.check("/no-such-a", Path::new("/")) {
            let refused: Result<(), Denied> = rules.opened(&harmless, &meant);
            prop_assert_eq!(refused.is_err(), closed);
        }
    }

    #[test]
    fn a_path_that_is_normal_stays_as_it_is(text in "(?s)[/.a\u{e9}]{0,20}") {
        let normal = normalize(Path::new(&text));
        prop_assert!(normal.is_absolute());
        prop_assert!(!normal.components().any(|name| name.as_os_str() == ".."));
        prop_assert_eq!(normalize(&normal), normal);
    }

    #[test]
    fn without_detours_a_path_stays_beneath_its_directory(
        directory in path(), below in "[ab/.]{0,12}"
    ) {
        let directory = normalize(Path::new(&directory));
        if !below.starts_with('/') && !below.split('/').any(|name| name == "..") {
            prop_assert!(normalize(&directory.join(&below)).starts_with(&directory));
        }
    }
}
