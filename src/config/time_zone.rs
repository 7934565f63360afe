//! The time zone of programs: a name of the IANA database, or what `TZ` has of it.

use std::path::Path;

use timezone_provider::CompiledNormalizer;
use timezone_provider::provider::TimeZoneNormalizer as _;

/// The directory of the system's own database, and what its names can begin with there.
const DATABASE: &str = "/zoneinfo/";
const KINDS: [&str; 2] = ["posix/", "right/"];

/// A name as the database spells it. V8's Temporal has the same list.
///
/// # Errors
/// That there is no such name.
pub(super) fn known(name: &str) -> Result<String, String> {
    let found = CompiledNormalizer.normalized(name.as_bytes());
    match found.and_then(|id| CompiledNormalizer.identifier(id).map(str::to_owned)) {
        Ok(zone) => Ok(zone),
        Err(_) => Err(format!("\"{name}\" is not a time zone of the IANA database")),
    }
}

/// The zone that a value of `TZ` means (tzset(3)): a name, a file of the system's database
/// or a rule. Nothing for a file that is no link into the database, and for a rule with
/// summer time: ICU has names only.
///
/// # Errors
/// That it is neither.
pub(super) fn of_system(tz: &str) -> Result<Option<String>, String> {
    let tz = tz.trim();
    let text = tz.strip_prefix(':').unwrap_or(tz);
    if text.is_empty() {
        return known("UTC").map(Some);
    }
    let name = if text.starts_with('/') {
        match name_of_file(text) {
            Some(name) => name,
            None => return Ok(None),
        }
    } else {
        text.to_owned()
    };
    let name = KINDS.iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(&name);
    match known(name) {
        Ok(zone) => Ok(Some(zone)),
        Err(_) if is_rule(name) => Ok(fixed(name)),
        Err(problem) => Err(problem),
    }
}

/// The name of a file in the database, or of what it is a link to.
fn name_of_file(path: &str) -> Option<String> {
    let name = |path: &str| path.split_once(DATABASE).map(|(_, name)| name.to_owned());
    name(path).or_else(|| name(std::fs::read_link(Path::new(path)).ok()?.to_str()?))
}

/// Whether a text begins as a rule does: three letters or more, or anything between angle
/// brackets, and an offset.
fn is_rule(text: &str) -> bool {
    let Some(offset) = offset_of(text) else { return false };
    offset.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit())
}

fn offset_of(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('<') {
        return quoted.split_once('>').map(|(_, offset)| offset);
    }
    let offset = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    (text.len() - offset.len() >= 3).then_some(offset)
}

/// The zone of a rule that is an offset in whole hours, and no more.
fn fixed(rule: &str) -> Option<String> {
    // Both count from the west.
    match offset_of(rule)?.parse::<i8>().ok()? {
        0 => known("UTC").ok(),
        hours => known(&format!("Etc/GMT{hours:+}")).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_written() {
        for (name, zone) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("US/Pacific", "US/Pacific"),
            ("Asia/Calcutta", "Asia/Calcutta"),
            ("utc", "UTC"),
            ("CET", "CET"),
            ("Etc/GMT-14", "Etc/GMT-14"),
        ] {
            assert_eq!(known(name).as_deref(), Ok(zone));
        }
        assert_eq!(
            known("Mars/Base").unwrap_err(),
            "\"Mars/Base\" is not a time zone of the IANA database"
        );
        assert!(known("").is_err());
    }

    #[test]
    fn what_the_system_takes_for_a_zone_is_understood() {
        for (tz, zone) in [
            ("", "UTC"),
            (":", "UTC"),
            ("Europe/Berlin", "Europe/Berlin"),
            (":Europe/Berlin", "Europe/Berlin"),
            ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
            (":/usr/share/zoneinfo/posix/Asia/Tokyo", "Asia/Tokyo"),
            ("right/Asia/Tokyo", "Asia/Tokyo"),
            ("EST5EDT", "EST5EDT"),
            ("UTC0", "UTC"),
            ("JST-9", "Etc/GMT-9"),
            ("<-03>3", "Etc/GMT+3"),
        ] {
            assert_eq!(of_system(tz), Ok(Some(zone.to_owned())), "{tz}");
        }
    }

    #[test]
    fn a_rule_or_a_file_that_names_no_zone_is_none_and_anything_else_a_problem() {
        for tz in ["CET-1CEST,M3.5.0,M10.5.0/3", "<+0330>-3:30", "XYZ99", "/nowhere/localtime"] {
            assert_eq!(of_system(tz), Ok(None), "{tz}");
        }
        for tz in ["Mars/Base", "Europe/Berln", "x", "5"] {
            assert!(of_system(tz).is_err(), "{tz}");
        }
    }

    #[test]
    fn a_link_into_the_database_says_its_name() {
        let directory = super::super::fixture::Directory::new();
        let path = directory.0.join("localtime");
        std::os::unix::fs::symlink("/usr/share/zoneinfo/Europe/Paris", &path).unwrap();
        let tz = format!(":{}", path.display());
        assert_eq!(of_system(&tz), Ok(Some("Europe/Paris".to_owned())));
    }
}
