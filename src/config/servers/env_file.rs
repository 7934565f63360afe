//! Files of variables (`envFile`), as VS Code and Cursor read them: `NAME=value` in each
//! line. Nothing is put in for `$NAME`. The dotenv crates put in variables of this
//! process, which are not all for every server, and quote lines in what they say.

use std::path::Path;

use super::super::credentials::name_length;
use super::super::file::read;
use super::super::jsonc::line_of;
use crate::private_file::check_writers;

/// Bytes of a file: a thousand variables of 64 bytes.
const MAX_BYTES: u64 = 64 << 10;

/// What may stand in a name beside a variable's own characters.
const ALSO_IN_NAMES: [char; 2] = ['.', '-'];

/// Variables in the order of the file.
pub(super) type Variables = Vec<(String, String)>;

/// A link on the way to a plain path, or at its end. Programs are kept from the path, and
/// not from what a link there is replaced by.
pub(super) fn link_to(path: &Path) -> Option<&Path> {
    path.ancestors().find(|place| place.is_symlink())
}

/// Reads a file, and says who else can write it.
///
/// # Errors
/// It cannot be read, everybody can write it, or a line is none. A sentence without a
/// value.
pub(super) fn variables(path: &Path) -> Result<(Variables, Vec<String>), String> {
    let writers = check_writers(path)?;
    let (text, _) = read(path, MAX_BYTES)?;
    Ok((parse(&text)?, writers))
}

fn parse(text: &str) -> Result<Variables, String> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    while !rest.is_empty() {
        let (found, left) = next(rest).map_err(|problem| {
            let line = line_of(text, text.len() - rest.len());
            format!("line {line}: {problem}")
        })?;
        variables.extend(found);
        rest = left;
    }
    Ok(variables)
}

type Next<'a> = (Option<(String, String)>, &'a str);

/// What the next line says, and what is behind it. A value in quotes may have more lines.
fn next(text: &str) -> Result<Next<'_>, &'static str> {
    const NONE: &str = "not NAME=value";
    let (line, behind) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok((None, behind));
    }
    let equals = text.find('=').filter(|at| *at < text.len() - behind.len()).ok_or(NONE)?;
    let name = text[..equals].trim();
    let name = name
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map_or(name, str::trim_start);
    if !is_name(name) {
        return Err(NONE);
    }
    let value = text[equals + 1..].trim_start_matches([' ', '\t']);
    let (value, behind) = match value.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => quoted(&value[1..], quote)?,
        _ => (plain(value.split('\n').next().unwrap_or_default()), behind),
    };
    if value.contains('\0') {
        return Err("it contains a NUL character");
    }
    Ok((Some((name.to_owned(), value)), behind))
}

fn is_name(name: &str) -> bool {
    let length = name_length(name);
    length > 0
        && name[length..]
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || ALSO_IN_NAMES.contains(&c))
}

/// A value without quotes: a comment begins behind a blank.
fn plain(line: &str) -> String {
    let comment = line.match_indices('#').map(|(at, _)| at);
    let end = comment.into_iter().find(|at| line[..*at].ends_with([' ', '\t']) || *at == 0);
    line[..end.unwrap_or(line.len())].trim().to_owned()
}

/// A value up to its closing quote, and the lines behind it. Between double quotes
/// `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are one character each.
fn quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            let (tail, behind) = text[at + 1..].split_once('\n').unwrap_or((&text[at + 1..], ""));
            let tail = tail.trim();
            let is_end = tail.is_empty() || tail.starts_with('#');
            return is_end
                .then_some((value, behind))
                .ok_or("there is text after the closing quote");
        }
        let escaped = (quote == '"' && c == '\\').then(|| chars.clone().next()).flatten();
        let Some((_, next)) = escaped.filter(|(_, next)| "nrt\"\\$".contains(*next)) else {
            value.push(c);
            continue;
        };
        chars.next();
        value.push(match next {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            other => other,
        });
    }
    Err("a quote is not closed")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
        parse(text)
    }

    #[test]
    fn each_line_is_a_variable() {
        let text = "\u{feff}# a comment\r\n\r\nA=1\r\nexport B = two words  # a comment\nC=\nD=a#b=c\n\
                    E.F-G=x\nexport=y\nH='$A \\n'\nI=\"a\\tb\\\"c\\\\d\\$A\" # x\nJ=\"one\ntwo\"\nK=`q`";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", ""),
            ("D", "a#b=c"),
            ("E.F-G", "x"),
            ("export", "y"),
            ("H", "$A \\n"),
            ("I", "a\tb\"c\\d$A"),
            ("J", "one\ntwo"),
            ("K", "q"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs(text), Ok(expected.to_vec()));
    }

    #[test]
    fn a_line_that_is_none_is_named_by_its_number_and_not_quoted() {
        for (text, expected) in [
            ("A=1\ncanary\nB=2", "line 2: not NAME=value"),
            ("A=1\n\n=canary", "line 3: not NAME=value"),
            ("1A=canary", "line 1: not NAME=value"),
            ("A B=canary", "line 1: not NAME=value"),
            ("A=\"canary\nB=2", "line 1: a quote is not closed"),
            ("A='canary' B", "line 1: there is text after the closing quote"),
            ("A=ca\0nary", "line 1: it contains a NUL character"),
        ] {
            assert_eq!(pairs(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_file_has_a_limit() {
        let directory = super::super::super::fixture::Directory::new();
        let path = directory.0.join("large.env");
        std::fs::write(&path, format!("A={}", "x".repeat(64 << 10))).unwrap();
        assert_eq!(variables(&path), Err("the file has more than 65536 bytes".to_owned()));
    }

    proptest! {
        #[test]
        fn any_text_is_variables_or_an_error(text in "(?s)([A=\"'`#\\\\n \n\r]|.){0,40}") {
            let _ = pairs(&text);
        }
    }
}
