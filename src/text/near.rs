//! Names that are near to one that does not exist, for a suggestion.

use std::collections::HashMap;

/// Longest name that is compared with others, in characters. The comparison's time
/// grows with the square of it.
const MAX_NAME: usize = 128;
/// Names in a suggestion.
const MAX_NEAR: usize = 3;
/// Names that are compared letter by letter: some 10 ms. Those of honest servers have
/// other letters than what was asked for, but for a few.
const MAX_COMPARED: usize = 500;

/// What has the name that is nearest, the first of equals, if no more characters are wrong
/// than `most` says of that name.
pub(crate) fn nearest<Name: AsRef<str>, Of>(
    name: &str,
    known: impl Iterator<Item = (Name, Of)>,
    most: impl FnOnce(&str) -> usize,
) -> Option<Of> {
    let distances = known.map(|known| (edit_distance(name, known.0.as_ref()), known));
    let (distance, (near, of)) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= most(near.as_ref())).then_some(of)
}

/// The names nearest to one that does not exist, for a suggestion: at most a third
/// of it differs, or two characters, and something is the same.
pub(crate) fn near_names<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = folded(name);
    let limit = (wanted.len() / 3).max(2);
    let letters = Letters::of(&wanted);
    let mut near: Vec<(usize, &str)> = names
        .map(|other| (other, folded(other)))
        .filter(|(_, candidate)| letters.may_be_within(limit, candidate))
        .take(MAX_COMPARED)
        .filter_map(|(other, candidate)| {
            let distance = distance_within(&wanted, &candidate, limit)?;
            (distance < wanted.len().max(candidate.len())).then_some((distance, other))
        })
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    let mut names: Vec<&str> = Vec::new();
    for (_, name) in near {
        if names.len() < MAX_NEAR && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// How often each letter is in a name.
struct Letters(HashMap<char, i32>);

impl Letters {
    fn of(name: &[char]) -> Self {
        let mut letters = HashMap::new();
        for c in name {
            *letters.entry(*c).or_insert(0) += 1;
        }
        Self(letters)
    }

    /// Whether so few changes can make the letters of another name of these: a change
    /// adds a letter, takes one away, or both.
    fn may_be_within(&self, limit: usize, other: &[char]) -> bool {
        let theirs = Self::of(other).0;
        let beyond = |a: &HashMap<char, i32>, b: &HashMap<char, i32>| {
            let more = |(c, count): (&char, &i32)| (count - b.get(c).unwrap_or(&0)).max(0);
            a.iter().map(more).sum::<i32>()
        };
        let changes = beyond(&self.0, &theirs).max(beyond(&theirs, &self.0));
        usize::try_from(changes).is_ok_and(|changes| changes <= limit)
    }
}

fn folded(name: &str) -> Vec<char> {
    name.chars().take(MAX_NAME).map(|c| c.to_ascii_lowercase()).collect()
}

/// Levenshtein's distance: characters to add, take away or change.
pub(crate) fn edit_distance(from: &str, to: &str) -> usize {
    let [from, to] = [from, to].map(|name| name.chars().collect::<Vec<char>>());
    distance_within(&from, &to, usize::MAX).unwrap_or(usize::MAX)
}

/// [`edit_distance`], if it is no more than `limit`.
fn distance_within(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, a) in a.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in b.iter().enumerate() {
            let changed = above[column] + usize::from(a != b);
            line.push(changed.min(above[column + 1] + 1).min(line[column] + 1));
        }
        if line.iter().all(|distance| *distance > limit) {
            return None;
        }
        above = line;
    }
    above.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_names_as_near_the_first_is_found_if_it_is_near_enough() {
        let known = ["allow-read", "allow-run", "allow-env"];
        let find = |name, most| nearest(name, known.into_iter().zip(0..), |_| most);
        assert_eq!(find("allow-raed", 2), Some(0));
        assert_eq!(find("allow-raed", 1), None);
        assert_eq!(find("allow-xxx", usize::MAX), Some(1));
        assert_eq!(nearest("a", [("", ()); 0].into_iter(), |_| usize::MAX), None);
    }

    #[test]
    fn names_that_all_look_like_another_are_soon_compared() {
        let wanted: String = "abcdefgh".repeat(16);
        // The same letters in another order: nothing but a comparison tells them apart.
        let others: Vec<String> =
            (0..10_000).map(|n| format!("{}{}", &wanted[n % 64..], &wanted[..n % 64])).collect();
        let start = Instant::now();
        let near = near_names(&format!("{}x", &wanted[1..]), others.iter().map(String::as_str));
        assert!(near.len() <= MAX_NEAR && start.elapsed() < Duration::from_secs(3));
        assert_eq!(near_names("ecko", ["echo", "other"].into_iter()), ["echo"]);
    }

    proptest! {
        #[test]
        fn letters_leave_out_no_name_that_is_near(
            a in "[abc]{0,6}", b in "[abc]{0,6}", limit in 0_usize..4
        ) {
            let (a, b) = (folded(&a), folded(&b));
            let is_near = distance_within(&a, &b, limit).is_some();
            prop_assert!(!is_near || Letters::of(&a).may_be_within(limit, &b));
        }
    }

    #[test]
    fn near_names_come_nearest_first() {
        let names = ["delete_issue", "create_issues", "create_issue", "list"];
        assert_eq!(near_names("creat_issue", names.into_iter()), ["create_issue", "create_issues"]);
        assert_eq!(
            near_names("Create-Issue", names.into_iter()),
            ["create_issue", "create_issues"]
        );
        assert_eq!(near_names("lst", names.into_iter()), ["list"]);
        assert_eq!(near_names("x", ["up", "y", "xy"].into_iter()), ["xy"]);
        assert_eq!(near_names("zzz", ["stub", "bad"].into_iter()), [""; 0]);
    }

    #[test]
    fn at_most_three_names_are_near() {
        let names = ["aaa1", "aaa2", "aaa3", "aaa4"];
        assert_eq!(near_names("aaa", names.into_iter()), ["aaa1", "aaa2", "aaa3"]);
        assert_eq!(near_names("aaa", ["aaa1", "aaa1"].into_iter()), ["aaa1"]);
    }

    proptest! {
        #[test]
        fn a_distance_is_the_same_both_ways(
            a in "[ab]{0,6}", b in "[ab]{0,6}", limit in 0_usize..7
        ) {
            let (a, b) = (folded(&a), folded(&b));
            prop_assert_eq!(distance_within(&a, &b, limit), distance_within(&b, &a, limit));
            prop_assert_eq!(distance_within(&a, &a, limit), Some(0));
        }

        #[test]
        fn any_names_are_compared(
            name in any::<String>(), names in prop::collection::vec(any::<String>(), 0..6)
        ) {
            prop_assert!(near_names(&name, names.iter().map(String::as_str)).len() <= 3);
        }
    }
}
