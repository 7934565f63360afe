//! The lines around a place in the program, with a marker under it.

/// Lines shown before and after the one in question.
const CONTEXT_LINES: usize = 2;

/// Longest line shown, in characters. A minified program has one line.
const MAX_LINE_CHARS: usize = 120;

/// A place in a source, both from 1. Columns count UTF-16 units, as V8 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: u32,
    pub column: u32,
}

/// The place of a byte offset.
pub(crate) fn place_of_offset(source: &str, offset: usize) -> Place {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &source[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].encode_utf16().count() + 1;
    Place { line: to_u32(line), column: to_u32(column) }
}

/// The code around a place, or nothing if the source has no such line.
///
/// ```text
///   1 | const x = 1;
/// > 2 | const y = = 2;
///     |           ^
/// ```
pub(crate) fn code_frame(source: &str, place: Place) -> Option<String> {
    let lines: Vec<&str> = source.split('\n').map(|l| l.trim_end_matches('\r')).collect();
    let index = (place.line as usize).checked_sub(1)?;
    let wanted = *lines.get(index)?;
    let marker = chars_before(wanted, place.column as usize - 1);
    let window = marker.saturating_sub(MAX_LINE_CHARS * 2 / 3);

    // A line break at the end begins no line that anyone wrote.
    let count = lines.len() - usize::from(lines.len() > 1 && lines[lines.len() - 1].is_empty());
    let first = index.saturating_sub(CONTEXT_LINES);
    let last = (index + CONTEXT_LINES).min(count.max(index + 1) - 1);
    let width = (last + 1).to_string().len();
    let mut frame = Vec::new();
    for (number, line) in lines.iter().enumerate().take(last + 1).skip(first) {
        let sign = if number == index { '>' } else { ' ' };
        let shown = clip(line, window);
        frame.push(format!("{sign} {:>width$} | {shown}", number + 1).trim_end().to_owned());
        if number == index {
            frame.push(format!("  {:>width$} | {}^", "", blank_before(line, window, marker)));
        }
    }
    Some(frame.join("\n"))
}

fn clip(line: &str, window: usize) -> String {
    line.chars().skip(window).take(MAX_LINE_CHARS).collect()
}

/// White space as wide as the text before the marker; tabs stay tabs.
fn blank_before(line: &str, window: usize, marker: usize) -> String {
    let text = line.chars().chain(std::iter::repeat(' '));
    text.take(marker).skip(window).map(|c| if c == '\t' { '\t' } else { ' ' }).collect()
}

fn chars_before(line: &str, utf16_units: usize) -> usize {
    let mut units = 0;
    line.chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= utf16_units
        })
        .count()
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_stands_under_the_place() {
        let frame = code_frame("a\nb\nconst c = d;\ne\nf\ng", Place { line: 3, column: 11 });
        assert_eq!(
            frame.as_deref(),
            Some("  1 | a\n  2 | b\n> 3 | const c = d;\n    |           ^\n  4 | e\n  5 | f")
        );
    }

    #[test]
    fn characters_outside_the_basic_plane_count_two_units_and_one_column_of_the_frame() {
        assert_eq!(place_of_offset("'😀' x", 7), Place { line: 1, column: 6 });
        let frame = code_frame("'😀' x", Place { line: 1, column: 6 }).unwrap();
        assert_eq!(frame, "> 1 | '😀' x\n    |     ^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let source = format!("{}!{}", "a".repeat(1000), "b".repeat(1000));
        let frame = code_frame(&source, Place { line: 1, column: 1001 }).unwrap();
        let (line, marker) = frame.split_once('\n').unwrap();
        assert_eq!(line.len(), "> 1 | ".len() + MAX_LINE_CHARS);
        assert_eq!(line.find('!'), marker.find('^'));
    }

    #[test]
    fn a_line_that_does_not_exist_has_no_frame() {
        assert_eq!(code_frame("a", Place { line: 2, column: 1 }), None);
        assert_eq!(code_frame("a", Place { line: 0, column: 1 }), None);
    }
}
