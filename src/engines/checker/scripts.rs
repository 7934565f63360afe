//! The scripts that make a checker of the compiler, and the declarations of what programs find here.

/// A file of `js/checker`, with the name that it has there.
macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/js/checker/", $name)))
    };
}

/// The scripts, in the order in which they are run.
pub(super) const SCRIPTS: &[(&str, &str)] = &[
    file!("00_library.js"),
    file!("01_modules.js"),
    file!("02_program.js"),
    file!("03_tools.js"),
    file!("04_evidence.js"),
    file!("05_habits.js"),
    file!("05_trust.js"),
    file!("06_rules.js"),
    file!("07_properties.js"),
    file!("08_assignability.js"),
    file!("09_messages.js"),
    file!("10_check.js"),
    file!("11_warm.js"),
    file!("12_corpus.js"),
];

/// The declarations.
pub(super) const DECLARATIONS: &[(&str, &str)] =
    &[file!("declarations/conductor.d.ts"), file!("declarations/runtime.d.ts")];

/// The name of a file without its directory.
pub(super) fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn names(directory: &str, end: &str) -> Vec<String> {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/checker").join(directory);
        let entries = std::fs::read_dir(place).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(end)).collect();
        names.sort();
        names
    }

    fn included(files: &[(&str, &str)]) -> Vec<String> {
        files.iter().map(|(name, _)| base_name(name).to_owned()).collect()
    }

    #[test]
    fn every_file_of_the_checker_is_run_in_the_order_of_its_name() {
        assert_eq!(included(SCRIPTS), names("", ".js"));
        assert_eq!(included(DECLARATIONS), names("declarations", ".d.ts"));
    }
}
