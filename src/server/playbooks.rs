//! The texts of `list_playbooks`, `get_playbook` and `create_playbook`, in the format of the Deno
//! version (MCP Conductor 0.1.2).

use std::fmt::Write as _;
use std::path::Path;

use crate::playbooks::{Listed, Metadata, Playbook, PlaybookError};
use crate::text::clip;

/// Bytes of a description in a listing: two or three sentences. The whole of it is
/// in the playbook.
const MAX_DESCRIPTION: usize = 500;

/// Lines of exports that are shown, and bytes of each: enough to call them.
const MAX_EXPORTS: usize = 50;
const MAX_EXPORT: usize = 200;

/// Names in the example of an import.
const MAX_IMPORTED: usize = 4;

/// The result of `list_playbooks`.
pub(super) fn list_text(playbooks: &[Listed]) -> String {
    let entries: Vec<String> = playbooks.iter().map(entry).collect();
    format!("# Available Playbooks ({})\n\n{}", playbooks.len(), entries.join("\n"))
}

fn entry(listed: &Listed) -> String {
    let Listed { folder, result, has_code, is_system } = listed;
    let (name, about) = match result {
        Ok(Metadata { name, description, .. }) => (
            clip::line(name),
            format!("**Description:** {}", clip::marked(clip::line(description), MAX_DESCRIPTION)),
        ),
        Err(problem) => (
            folder.clone(),
            format!("**Error:** {}", clip::marked(clip::line(problem), MAX_DESCRIPTION)),
        ),
    };
    let has_code = if *has_code { "Yes" } else { "No" };
    let source = if *is_system { "system (default playbook)" } else { "user (user-created)" };
    format!(
        "## {name}\n**Folder:** {folder}\n{about}\n**Has Code:** {has_code}\n**Source:** {source}\n"
    )
}

/// The result of `get_playbook`.
pub(super) fn get_text(playbook: &Playbook) -> String {
    let Metadata { name, description, author, version, tags } = &playbook.metadata;
    let mut text =
        format!("# {}\n\n**Description:** {}\n", clip::line(name), clip::line(description));
    let tags = (!tags.is_empty()).then(|| tags.join(", "));
    for (label, value) in [("Author", author), ("Version", version), ("Tags", &tags)] {
        if let Some(value) = value {
            let _ = writeln!(text, "**{label}:** {}", clip::line(value));
        }
    }
    let _ = write!(text, "\n---\n\n{}\n", playbook.content);
    if let Some(code) = &playbook.code {
        let _ = write!(text, "\n---\n\n{}", code_text(&playbook.folder, code));
    }
    text
}

/// How to import the code, and what there is to import.
fn code_text(folder: &str, code: &str) -> String {
    let exports: Vec<&str> = code.lines().filter_map(export).take(MAX_EXPORTS).collect();
    let names: Vec<&str> = exports.iter().filter_map(|line| value_name(line)).collect();
    let names = &names[..names.len().min(MAX_IMPORTED)];
    let (import, load) = if names.is_empty() {
        ("* as playbook".to_owned(), "playbook".to_owned())
    } else {
        let names = format!("{{ {} }}", names.join(", "));
        (names.clone(), names)
    };
    let mut text = format!(
        "## Code Path\n\nImport utilities from: `playbook:{folder}`\n\nExample:\n```typescript\n\
         import {import} from \"playbook:{folder}\";\n\
         // or: const {load} = await importPlaybook(\"{folder}\");\n```\n"
    );
    if !exports.is_empty() {
        let _ = write!(text, "\nExports:\n```typescript\n{}\n```\n", exports.join("\n"));
    }
    text
}

/// What a line of code exports, without the body that begins on it.
fn export(line: &str) -> Option<&str> {
    let line = line.strip_prefix("export ")?;
    let line = clip::head(line, MAX_EXPORT);
    let line = line.trim_end().trim_end_matches('{').trim_end();
    (!line.is_empty()).then_some(line)
}

/// The name of an exported function, class or variable; types are not imported by
/// name.
fn value_name(export: &str) -> Option<&str> {
    let export = export.strip_prefix("async ").unwrap_or(export);
    let after = ["function* ", "function ", "class ", "const ", "let ", "enum "]
        .iter()
        .find_map(|keyword| export.strip_prefix(keyword))?;
    let end = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$')));
    let name = &after[..end.unwrap_or(after.len())];
    (!name.is_empty()).then_some(name)
}

/// The result of `create_playbook`.
pub(super) fn created_text(folder: &str, name: &str, path: &Path) -> String {
    format!(
        "Playbook created successfully!\n\n**Path:** {}\n**Name:** {}\n\n\
         Use `get_playbook` with folder_name=\"{folder}\" to view it.",
        path.display(),
        clip::line(name)
    )
}

/// The text of a failure, for a result with `isError`.
pub(super) fn error_text(error: &PlaybookError) -> String {
    format!("Error: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        Metadata {
            name: "Math".to_owned(),
            description: "Adds\nnumbers".to_owned(),
            author: None,
            version: None,
            tags: Vec::new(),
        }
    }

    fn playbook(code: Option<&str>) -> Playbook {
        Playbook {
            folder: "math".to_owned(),
            metadata: metadata(),
            content: "# Math\n\nbody".to_owned(),
            code: code.map(str::to_owned),
            is_system: false,
            path: None,
        }
    }

    #[test]
    fn a_listing_shows_every_playbook_and_why_one_cannot_be_used() {
        let listed = [
            Listed {
                folder: "broken".to_owned(),
                result: Err("the front matter\nhas no name".to_owned()),
                has_code: false,
                is_system: false,
            },
            Listed {
                folder: "math".to_owned(),
                result: Ok(metadata()),
                has_code: true,
                is_system: true,
            },
        ];
        assert_eq!(
            list_text(&listed),
            "# Available Playbooks (2)\n\n\
             ## broken\n**Folder:** broken\n**Error:** the front matter has no name\n\
             **Has Code:** No\n**Source:** user (user-created)\n\n\
             ## Math\n**Folder:** math\n**Description:** Adds numbers\n\
             **Has Code:** Yes\n**Source:** system (default playbook)\n"
        );
    }

    #[test]
    fn a_long_description_is_cut_in_a_listing() {
        let result = Ok(Metadata { description: "é".repeat(400), ..metadata() });
        let folder = "x".to_owned();
        let listed = [Listed { folder, result, has_code: false, is_system: false }];
        let line = format!("\n**Description:** {}…\n", "é".repeat(250));
        assert!(list_text(&listed).contains(&line));
    }

    #[test]
    fn a_playbook_without_code_is_its_text() {
        let mut playbook = playbook(None);
        assert_eq!(
            get_text(&playbook),
            "# Math\n\n**Description:** Adds numbers\n\n---\n\n# Math\n\nbody\n"
        );
        playbook.metadata.author = Some("A".to_owned());
        playbook.metadata.version = Some("1.0".to_owned());
        playbook.metadata.tags = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(
            get_text(&playbook),
            "# Math\n\n**Description:** Adds numbers\n**Author:** A\n**Version:** 1.0\n**Tags:** a, b\n\n---\n\n# Math\n\nbody\n"
        );
    }

    #[test]
    fn a_playbook_with_code_says_how_to_import_it() {
        let code = "// helpers\nexport interface O { a: 1 }\n\
                    export async function add(a: number) {\n  return a;\n}\n\
                    export const π = 3, x = 1;\nconst inner = 1;\nexport default add;\n";
        assert_eq!(
            get_text(&playbook(Some(code))),
            "# Math\n\n**Description:** Adds numbers\n\n---\n\n# Math\n\nbody\n\n---\n\n\
             ## Code Path\n\nImport utilities from: `playbook:math`\n\nExample:\n```typescript\n\
             import { add, π } from \"playbook:math\";\n\
             // or: const { add, π } = await importPlaybook(\"math\");\n```\n\n\
             Exports:\n```typescript\ninterface O { a: 1 }\nasync function add(a: number)\n\
             const π = 3, x = 1;\ndefault add;\n```\n"
        );
    }

    #[test]
    fn code_without_names_is_imported_as_a_whole() {
        let text = get_text(&playbook(Some("globalThis.x = 1")));
        assert!(text.ends_with(
            "```typescript\nimport * as playbook from \"playbook:math\";\n\
             // or: const playbook = await importPlaybook(\"math\");\n```\n"
        ));
    }

    #[test]
    fn lines_of_any_length_and_kind_are_cut_and_not_a_panic() {
        let long = format!("export const {} = 1", "π".repeat(1000));
        for code in ["export ", "export const", "export const ", "export {", "\u{0}", &long] {
            assert!(get_text(&playbook(Some(code))).len() < 1000, "{code:?}");
        }
    }

    #[test]
    fn a_created_playbook_is_named_with_its_path() {
        assert_eq!(
            created_text("math", "Math\nUtils", Path::new("/p/math")),
            "Playbook created successfully!\n\n**Path:** /p/math\n**Name:** Math Utils\n\n\
             Use `get_playbook` with folder_name=\"math\" to view it."
        );
    }

    #[test]
    fn a_failure_is_told_as_the_original_told_it() {
        assert_eq!(
            error_text(&PlaybookError::NotFound("nope".to_owned())),
            "Error: Playbook folder not found: nope"
        );
    }
}
