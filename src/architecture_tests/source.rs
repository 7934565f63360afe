//! Rust read just well enough: the modules of the crate, what each imports, and where.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A path as it is written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub segments: Vec<String>,
    pub line: usize,
}

/// An item of a `use`: what it names, and what it is called here.
#[derive(Debug, Clone)]
pub(super) struct Used {
    pub path: Written,
    pub name: String,
}

/// A file, and the modules that it declares.
pub(super) struct Module {
    pub file: PathBuf,
    pub children: Vec<String>,
    pub used: Vec<Used>,
    /// Paths outside of `use`.
    pub paths: Vec<Written>,
}

/// Every module of the library but for tests, by its name: `broker/run`, and "" for the root.
pub(super) struct Sources(pub BTreeMap<String, Module>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

impl Sources {
    pub(super) fn read(root: &Path) -> Self {
        let mut modules = BTreeMap::new();
        add(&mut modules, root, String::new(), root.join("src/lib.rs"));
        Self(modules)
    }
}

fn add(modules: &mut BTreeMap<String, Module>, root: &Path, name: String, file: PathBuf) {
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let tokens = without_tests(&tokens(&text));
    let mut module = Module {
        file: file.strip_prefix(root).unwrap_or(&file).to_owned(),
        children: Vec::new(),
        used: Vec::new(),
        paths: Vec::new(),
    };
    let mut files = Vec::new();
    for (at, child) in declared(&tokens) {
        let below = given_path(&text, &tokens, at)
            .map_or_else(|| file_of(&file, &child), |given| Some(file.with_file_name(given)));
        if let Some(below) = below {
            module.children.push(child.clone());
            files.push((child, below));
        }
    }
    read_paths(&tokens, &mut module);
    for (child, below) in files {
        let path = if name.is_empty() { child } else { format!("{name}/{child}") };
        add(modules, root, path, below);
    }
    modules.insert(name, module);
}

/// Where `mod child;` of a file is.
fn file_of(file: &Path, child: &str) -> Option<PathBuf> {
    let stem = file.file_stem()?.to_str()?;
    let directory = match stem {
        "mod" | "lib" => file.parent()?.to_owned(),
        _ => file.with_extension(""),
    };
    let files = [directory.join(format!("{child}.rs")), directory.join(child).join("mod.rs")];
    files.into_iter().find(|file| file.is_file())
}

/// Each `mod name;`, with the place of `mod`.
fn declared(tokens: &[Token]) -> Vec<(usize, String)> {
    let windows = tokens.windows(3).enumerate();
    let declarations = windows.filter(|(_, t)| t[0].text == "mod" && t[2].text == ";");
    declarations.map(|(at, t)| (at, t[1].text.clone())).collect()
}

/// The file that a `#[path = "…"]` on the line before gives.
fn given_path(text: &str, tokens: &[Token], at: usize) -> Option<String> {
    let before = text.lines().nth(tokens[at].line.checked_sub(2)?)?.trim();
    let given = before.strip_prefix("#[path = \"")?.strip_suffix("\"]")?;
    Some(given.to_owned())
}

/// Words and single other characters; no comments, texts, numbers and lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let characters: Vec<char> = text.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < characters.len() {
        let end = at + length(&characters[at..]);
        let word: String = characters[at..end].iter().collect();
        let first = characters[at];
        let is_code = end == at + 1 || first.is_alphabetic() || first == '_';
        let is_text = word.ends_with(['"', '#', '\'']) && end > at + 1;
        if is_code && !is_text && !first.is_whitespace() && !first.is_numeric() {
            tokens.push(Token { text: word.clone(), line });
        }
        line += word.matches('\n').count();
        at = end;
    }
    tokens
}

/// Of what stands at the beginning: a comment, a text, a word, or one character.
fn length(rest: &[char]) -> usize {
    let starts =
        |text: &str| rest.iter().zip(text.chars()).filter(|(a, b)| *a == b).count() == text.len();
    let until = |from: usize, end: &dyn Fn(usize) -> bool| {
        (from..rest.len()).find(|&at| end(at)).unwrap_or(rest.len())
    };
    if starts("//") {
        return until(2, &|at| rest[at] == '\n');
    }
    if starts("/*") {
        return (until(2, &|at| rest[at] == '*' && rest.get(at + 1) == Some(&'/')) + 2)
            .min(rest.len());
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = until(0, &|at| !is_word(rest[at]));
    let prefix: String = rest[..word].iter().collect();
    if matches!(&*prefix, "" | "b" | "c" | "r" | "br" | "cr") {
        let hashes = rest[word..].iter().take_while(|&&c| c == '#').count();
        let is_raw = prefix.ends_with('r');
        if (hashes == 0 || is_raw) && rest.get(word + hashes) == Some(&'"') {
            return text_length(rest, word + hashes + 1, is_raw.then_some(hashes));
        }
        if rest.get(word) == Some(&'\'') && !is_raw && prefix != "c" {
            return word + quoted_length(&rest[word..]);
        }
    }
    word.max(1)
}

/// To the end of a text whose first character is at `from`; `hashes` of a raw one.
fn text_length(rest: &[char], from: usize, hashes: Option<usize>) -> usize {
    let mut at = from;
    while at < rest.len() {
        let closes = hashes.unwrap_or(0);
        if rest[at] == '\\' && hashes.is_none() {
            at += 1;
        } else if rest[at] == '"'
            && rest[at + 1..].iter().take(closes).filter(|&&c| c == '#').count() == closes
        {
            return at + 1 + closes;
        }
        at += 1;
    }
    rest.len()
}

/// A character in quotes, or the quote and the name of a lifetime.
fn quoted_length(rest: &[char]) -> usize {
    if rest.get(1) == Some(&'\\') {
        let end = (3..rest.len()).find(|&at| rest[at] == '\'');
        return end.map_or(rest.len(), |end| end + 1);
    }
    if rest.get(2) == Some(&'\'') {
        return 3;
    }
    1 + rest[1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
}

/// What is left without the items that only tests have.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let (mut left, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if is_test(&tokens[at..]) {
            at = end_of_item(tokens, at);
        } else {
            left.push(tokens[at].clone());
            at += 1;
        }
    }
    left
}

fn is_test(tokens: &[Token]) -> bool {
    let starts = |words: &[&str]| {
        tokens.len() >= words.len()
            && tokens.iter().zip(words).all(|(token, word)| token.text == *word)
    };
    starts(&["#", "[", "cfg", "(", "test", ")"])
        || starts(&["#", "[", "cfg", "(", "all", "(", "test"])
}

/// After the item that begins with its attributes at `at`: a block or a semicolon, or, of a
/// field, an arm or an argument, the comma.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    while tokens[at].text == "#" {
        at = closing(tokens, at + 1) + 1;
    }
    let keywords = [
        "pub",
        "use",
        "mod",
        "fn",
        "const",
        "static",
        "type",
        "struct",
        "enum",
        "trait",
        "impl",
        "unsafe",
        "async",
        "extern",
        "let",
        "macro_rules",
    ];
    let is_item = keywords.contains(&&*tokens[at].text);
    let is_use =
        tokens[at..].iter().take_while(|t| t.text != ";" && t.text != "{").any(|t| t.text == "use");
    while at < tokens.len() {
        match &*tokens[at].text {
            ";" => return at + 1,
            "," if !is_item => return at + 1,
            "}" | ")" => return at,
            "{" if !is_use => return closing(tokens, at) + 1,
            "(" | "[" | "{" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
    at
}

/// The place of what closes the bracket at `at`.
fn closing(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match &*token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    tokens.len() - 1
}

fn read_paths(tokens: &[Token], module: &mut Module) {
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let next = tokens.get(at + 1).map_or("", |next| &next.text);
        // `use<'_>` is a bound.
        if token.text == "use" && next != "<" {
            at = use_tree(tokens, at + 1, &[], &mut module.used);
            continue;
        }
        let follows_path = at > 0 && matches!(&*tokens[at - 1].text, ":" | "$");
        let begins = matches!(&*token.text, "crate" | "super" | "self")
            || module.children.contains(&token.text);
        if begins
            && !(follows_path && is_separator(tokens, at.saturating_sub(2)))
            && !(at > 0 && tokens[at - 1].text == "$")
        {
            let (segments, end) = path(tokens, at);
            if segments.len() > 1 {
                module.paths.push(Written { segments, line: token.line });
            }
            at = end.max(at + 1);
            continue;
        }
        at += 1;
    }
}

fn is_separator(tokens: &[Token], at: usize) -> bool {
    tokens.get(at).is_some_and(|t| t.text == ":")
        && tokens.get(at + 1).is_some_and(|t| t.text == ":")
}

/// `a::b::c` from `at`, and the place after it.
fn path(tokens: &[Token], mut at: usize) -> (Vec<String>, usize) {
    let mut segments = vec![tokens[at].text.clone()];
    at += 1;
    while is_separator(tokens, at) && tokens.get(at + 2).is_some_and(Token::is_word) {
        segments.push(tokens[at + 2].text.clone());
        at += 3;
    }
    (segments, at)
}

/// The items of a tree of `use` below `prefix`, and the place after it.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &[String], used: &mut Vec<Used>) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens[at].line;
    while at < tokens.len() {
        match &*tokens[at].text {
            "{" => {
                at += 1;
                while tokens[at].text != "}" {
                    at = use_tree(tokens, at, &segments, used);
                    if tokens[at].text == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            ":" => at += 1,
            "as" => {
                let name = tokens[at + 1].text.clone();
                used.push(Used { path: Written { segments, line }, name });
                return at + 2;
            }
            ";" | "," | "}" => break,
            word => {
                if word != "self" || segments.is_empty() {
                    segments.push(word.to_owned());
                }
                at += 1;
            }
        }
    }
    let name = segments.last().cloned().unwrap_or_default();
    used.push(Used { path: Written { segments, line }, name });
    at
}
