//! METADATA of a wheel (PEP 566): what it is and needs, and its licence.

use std::str::FromStr;

use pep508_rs::{Requirement, VerbatimUrl};

/// Requirements of a wheel, those of its extras included: apache-airflow has some 700.
const MAX_NEEDS: usize = 2000;

/// Characters of a licence.
const MAX_LICENSE: usize = 100;

/// Characters of a summary, which is a line (Core metadata specifications, "Summary").
const MAX_SUMMARY: usize = 500;

/// What is used of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub needs: Vec<Requirement<VerbatimUrl>>,
    pub requires_python: Option<String>,
    pub summary: Option<String>,
    pub license: Option<String>,
}

/// Reads the headers; the description behind them says nothing.
pub(super) fn parse(text: &str) -> Result<Metadata, String> {
    let mut metadata = Metadata::default();
    let (mut expression, mut license, mut classified) = (None, None, None);
    for (name, value) in headers(text) {
        match name.to_ascii_lowercase().as_str() {
            "requires-dist" => {
                let need = Requirement::from_str(value).map_err(|error| {
                    let reason = error.to_string();
                    let reason = reason.lines().next().unwrap_or_default().to_owned();
                    format!("it needs {value:?}, which is not a requirement: {reason}")
                })?;
                metadata.needs.push(need);
            }
            "requires-python" => metadata.requires_python = Some(value.to_owned()),
            "summary" => metadata.summary = Some(value.chars().take(MAX_SUMMARY).collect()),
            "license-expression" => expression = Some(value.to_owned()),
            // Some have the beginning of its text here.
            "license" if value.len() <= MAX_LICENSE && !value.contains("Copyright") => {
                license = Some(value.to_owned());
            }
            "classifier" => {
                let name =
                    value.strip_prefix("License :: ").and_then(|it| it.rsplit(" :: ").next());
                classified = classified.or(name.map(str::to_owned));
            }
            _ => {}
        }
        if metadata.needs.len() > MAX_NEEDS {
            return Err(format!("it has more than {MAX_NEEDS} requirements"));
        }
    }
    let license = expression.or(license.filter(|text| !text.is_empty())).or(classified);
    metadata.license = license.map(|text| text.chars().take(MAX_LICENSE).collect());
    Ok(metadata)
}

/// Names and values up to the first empty line, without the lines that continue one.
fn headers(text: &str) -> impl Iterator<Item = (&str, &str)> {
    // One with white space continues a header.
    let lines = text.lines().take_while(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with([' ', '\t'])).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim(), value.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_and_licence_are_read_from_the_headers() {
        let text = "Metadata-Version: 2.4\nName: a\nSummary: What it is\nLicense: see\n  below\n  \nLicense-Expression: MIT\n\
                    Requires-Python: >=3.9\nRequires-Dist: b (>=1) ; extra == 'x'\n\
                    Requires-Dist: c>=1,<2\n\nRequires-Dist: not-this\n";
        let metadata = parse(text).expect("it is one");
        let names: Vec<String> = metadata.needs.iter().map(|it| it.name.to_string()).collect();
        assert_eq!(names, ["b", "c"]);
        assert_eq!(metadata.license.as_deref(), Some("MIT"));
        assert_eq!(metadata.summary.as_deref(), Some("What it is"));
        assert_eq!(metadata.requires_python.as_deref(), Some(">=3.9"));
    }

    #[test]
    fn a_licence_is_found_among_the_classifiers() {
        let text = "Classifier: License :: OSI Approved :: MIT License\n";
        assert_eq!(parse(text).expect("one").license.as_deref(), Some("MIT License"));
        assert!(parse("Requires-Dist: @@\n").is_err());
    }
}
