//! The file of bearer tokens: their names, and hashes of what clients send.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use thiserror::Error;

use super::{AuthError, Identity};
use crate::Config;
use crate::private_file::{beside, lock_of, real, replace};

/// What each token begins with, so that scanners of secrets find one that got into a
/// repository, and so that no JSON Web Token is taken for one.
pub(super) const PREFIX: &str = "mcpc_";

/// Bytes of chance in a token. Nobody guesses 256 bits, so that SHA-256 hides them as
/// well as a slow hash would; slow hashes are for passwords, and would let anybody
/// keep the server busy.
const TOKEN_BYTES: usize = 32;

/// Bytes of a file: some 4000 tokens of at most 250 bytes.
const MAX_FILE: u64 = 1 << 20;

/// Bytes of a name. It is a label of metrics and a directory.
const MAX_NAME: usize = 64;

/// Bytes of a date: of RFC 3339 with nanoseconds and an offset, 35.
const MAX_DATE: usize = 40;

/// For another command that changes the file, which takes some milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is tried.
const LOCK_EVERY: Duration = Duration::from_millis(20);

/// Permissions of anybody but the owner, and those to read.
const OTHERS: u32 = 0o077;
const OTHERS_READ: u32 = 0o044;

/// Why a file of tokens cannot be used or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenFileError {
    /// The file or its directory.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is no file yet.
    #[error(
        "{}: there is no such file; `mcp-conductor token add NAME --tokens {}` creates one",
        .0.display(), .0.display()
    )]
    Missing(PathBuf),
    /// It has permissions that give the tokens away, or is no file.
    #[error("{} {problem}", .path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what mends it.
        problem: String,
    },
    /// It has something else in it.
    #[error("{} is not a token file: {problem}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong. It quotes no hash.
        problem: String,
    },
    /// Not a name for a token.
    #[error(
        "a token's name has 1 to {} characters out of A-Z, a-z, 0-9 and ._@-, and is not \
         \"anonymous\"",
        MAX_NAME
    )]
    Name,
    /// The name is taken.
    #[error("the token \"{0}\" exists already: remove it first (mcp-conductor token remove {0})")]
    Exists(String),
    /// The name is not there.
    #[error("there is no token \"{name}\" in {}", .path.display())]
    NotFound {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// Another command changes the file.
    #[error("another command has been holding {} for {} s", .0.display(), LOCK_TIMEOUT.as_secs())]
    Locked(PathBuf),
    /// The system gives no random numbers.
    #[error("random numbers are not available: {0}")]
    Random(String),
    /// Nothing says where the file is.
    #[error("there is no home directory: pass --tokens FILE")]
    NoHome,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    tokens: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    #[serde(default)]
    created: String,
}

/// A token as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenEntry {
    /// Its name.
    pub name: String,
    /// When it was made, in UTC; empty if the file does not say.
    pub created: String,
}

/// The file of bearer tokens, as the command line changes it.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    /// Does not open it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { path: std::path::absolute(&path).unwrap_or(path) }
    }

    /// The one of the configuration, else `~/.mcp-conductor/tokens.json`.
    ///
    /// # Errors
    /// There is no home directory.
    pub fn of(config: &Config) -> Result<Self, TokenFileError> {
        if let Some(path) = &config.http().tokens {
            return Ok(Self::new(path));
        }
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let home = home.ok_or(TokenFileError::NoHome)?;
        Ok(Self::new(home.join(".mcp-conductor").join("tokens.json")))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a token, which is nowhere else than in the result.
    ///
    /// # Errors
    /// The name is taken or cannot be used; the file cannot be used.
    pub fn add(&self, name: &str) -> Result<String, TokenFileError> {
        if !is_name(name) {
            return Err(TokenFileError::Name);
        }
        self.make_directory()?;
        let _lock = self.lock()?;
        let mut content = match read(&self.path) {
            Err(TokenFileError::Missing(_)) => Content::default(),
            read => read?,
        };
        if content.tokens.iter().any(|token| token.name == name) {
            return Err(TokenFileError::Exists(name.to_owned()));
        }
        let token = random_token()?;
        content.tokens.push(Entry {
            name: name.to_owned(),
            sha256: format!("{:x}", Sha256::digest(&token)),
            created: crate::audit::timestamp(SystemTime::now()),
        });
        self.write(&content)?;
        Ok(token)
    }

    /// Forgets a token.
    ///
    /// # Errors
    /// There is none of this name; the file cannot be used.
    pub fn remove(&self, name: &str) -> Result<(), TokenFileError> {
        if !is_name(name) {
            return Err(TokenFileError::Name);
        }
        // So that no lock is left beside a file that is not there.
        read(&self.path)?;
        let _lock = self.lock()?;
        let mut content = read(&self.path)?;
        let before = content.tokens.len();
        content.tokens.retain(|token| token.name != name);
        if content.tokens.len() == before {
            let (name, path) = (name.to_owned(), self.path.clone());
            return Err(TokenFileError::NotFound { name, path });
        }
        self.write(&content)
    }

    /// All tokens, in the order in which they were made.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn list(&self) -> Result<Vec<TokenEntry>, TokenFileError> {
        let entry = |token: Entry| TokenEntry { name: token.name, created: token.created };
        Ok(read(&self.path)?.tokens.into_iter().map(entry).collect())
    }

    fn make_directory(&self) -> Result<(), TokenFileError> {
        let directory = directory(&self.path);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| failed(directory, error))
    }

    /// A file that is locked for as long as it is open. It stays: the next command may
    /// have opened it already.
    fn lock(&self) -> Result<File, TokenFileError> {
        let path = lock_of(&self.path);
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path);
        let file = opened.map_err(|error| failed(&path, error))?;
        let until = Instant::now() + LOCK_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(failed(&path, error)),
                Err(TryLockError::WouldBlock) if Instant::now() > until => {
                    return Err(TokenFileError::Locked(self.path.clone()));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_EVERY),
            }
        }
    }

    /// Replaces the file, as a whole.
    fn write(&self, content: &Content) -> Result<(), TokenFileError> {
        let text = serde_json::to_string_pretty(content)
            .map_err(|error| failed(&self.path, io::Error::other(error)))?;
        let path = real(&self.path);
        if text.len() as u64 >= MAX_FILE {
            let problem = format!("it would be larger than {MAX_FILE} bytes");
            return Err(TokenFileError::Content { path, problem });
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = beside(&path, &format!("{}-{number}.new", std::process::id()));
        let written = replace(&path, &temporary, format!("{text}\n").as_bytes());
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        written.map_err(|error| failed(&path, error))
    }
}

/// The tokens of a file, as requests are checked against.
#[derive(Debug)]
pub(super) struct Tokens(Vec<Token>);

#[derive(Debug)]
struct Token {
    name: String,
    hash: [u8; 32],
}

impl Tokens {
    pub(super) fn read(path: &Path) -> Result<Self, TokenFileError> {
        let tokens = read(path)?.tokens.into_iter().filter_map(|token| {
            let hash = hash(&token.sha256)?;
            Some(Token { name: token.name, hash })
        });
        Ok(Self(tokens.collect()))
    }

    pub(super) fn identity(&self, presented: &str) -> Result<Identity, AuthError> {
        let name = self.find(presented).ok_or(AuthError::UnknownToken)?;
        Ok(Identity::Token(name.to_owned()))
    }

    pub(super) fn hash_of(&self, name: &str) -> Option<[u8; 32]> {
        self.0.iter().find(|token| token.name == name).map(|token| token.hash)
    }

    /// Takes as long for the first token as for the last and for none.
    fn find(&self, presented: &str) -> Option<&str> {
        let hash: [u8; 32] = Sha256::digest(presented).into();
        let mut found = u64::MAX;
        for (index, token) in (0_u64..).zip(&self.0) {
            found.conditional_assign(&index, token.hash.as_slice().ct_eq(hash.as_slice()));
        }
        let token = usize::try_from(found).ok().and_then(|index| self.0.get(index))?;
        Some(&token.name)
    }
}

fn random_token() -> Result<String, TokenFileError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| TokenFileError::Random(error.to_string()))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// Names stand in paths, metrics and logs. `anonymous` is everybody without a token.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed) && name != "anonymous"
}

/// 64 hexadecimal digits.
fn hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(hash)
}

fn read(path: &Path) -> Result<Content, TokenFileError> {
    // A FIFO must not keep the open waiting.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(TokenFileError::Missing(path.to_owned()));
        }
        Err(error) => return Err(failed(path, error)),
    };
    let metadata = file.metadata().map_err(|error| failed(path, error))?;
    check(path, &metadata, geteuid().as_raw())?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    read.map_err(|error| failed(path, error))?;
    parse(&bytes).map_err(|problem| TokenFileError::Content { path: path.to_owned(), problem })
}

fn check(path: &Path, metadata: &Metadata, user: u32) -> Result<(), TokenFileError> {
    let refused = |problem: String| TokenFileError::Unsafe { path: path.to_owned(), problem };
    if !metadata.is_file() {
        return Err(refused("is not a regular file".to_owned()));
    }
    if metadata.uid() != user && metadata.uid() != 0 {
        return Err(refused("belongs to another user: run this as that user".to_owned()));
    }
    let mode = metadata.mode();
    if mode & OTHERS != 0 {
        let open = if mode & OTHERS_READ != 0 { "readable by" } else { "open to" };
        return Err(refused(format!("is {open} others: chmod 600 {}", path.display())));
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<Content, String> {
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("it is larger than {MAX_FILE} bytes"));
    }
    // The parser's own text may quote what stands there.
    let content: Content = serde_json::from_slice(bytes)
        .map_err(|error| format!("line {}, column {}", error.line(), error.column()))?;
    check_entries(&content.tokens)?;
    Ok(content)
}

fn check_entries(tokens: &[Entry]) -> Result<(), String> {
    let mut names = HashSet::new();
    let mut hashes = HashSet::new();
    for (number, token) in (1_usize..).zip(tokens) {
        let name = token.name.as_str();
        if !is_name(name) {
            return Err(format!("token {number}: {}", TokenFileError::Name));
        }
        let Some(hash) = hash(&token.sha256) else {
            return Err(format!("\"{name}\": sha256 is not 64 hexadecimal digits"));
        };
        if token.created.len() > MAX_DATE || !token.created.bytes().all(is_printable) {
            return Err(format!("\"{name}\": created is not a date"));
        }
        if !names.insert(name) {
            return Err(format!("\"{name}\" is given twice"));
        }
        if !hashes.insert(hash) {
            return Err(format!("\"{name}\" has the hash of another token"));
        }
    }
    Ok(())
}

/// Dates are printed on terminals.
fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

fn failed(path: &Path, error: io::Error) -> TokenFileError {
    TokenFileError::Io { path: path.to_owned(), error }
}

/// The directory that a file of an absolute path is in.
fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A directory that goes away with the value.
    pub(in crate::server::auth) struct Directory(pub PathBuf);

    impl Directory {
        pub(in crate::server::auth) fn new() -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("mcp-conductor-auth-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        pub(in crate::server::auth) fn file(&self) -> TokenFile {
            TokenFile::new(self.0.join("tokens.json"))
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn names(file: &TokenFile) -> Vec<String> {
        file.list().unwrap().into_iter().map(|token| token.name).collect()
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        set_mode(path, 0o600);
    }

    #[test]
    fn a_token_is_known_by_its_hash_alone() {
        let directory = Directory::new();
        let file = directory.file();
        let (alice, bob) = (file.add("alice").unwrap(), file.add("bob@example.com").unwrap());
        assert_ne!(alice, bob);
        assert_eq!((alice.len(), &alice[..5]), (48, "mcpc_"));
        let text = std::fs::read_to_string(file.path()).unwrap();
        let content: Content = serde_json::from_str(&text).unwrap();
        assert_eq!(content.tokens[0].sha256, format!("{:x}", Sha256::digest(&alice)));
        assert!(!text.contains(&alice[5..]), "{text}");
        let tokens = Tokens::read(file.path()).unwrap();
        assert_eq!(tokens.find(&alice), Some("alice"));
        assert_eq!(tokens.find(&bob), Some("bob@example.com"));
        for other in ["", "mcpc_", &alice[..47], &alice[5..], text.as_str(), "alice"] {
            assert_eq!(tokens.find(other), None, "{other}");
        }
    }

    #[test]
    fn a_removed_token_is_unknown() {
        let directory = Directory::new();
        let file = directory.file();
        let alice = file.add("alice").unwrap();
        let bob = file.add("bob").unwrap();
        file.remove("alice").unwrap();
        let tokens = Tokens::read(file.path()).unwrap();
        assert_eq!(tokens.identity(&alice), Err(AuthError::UnknownToken));
        assert_eq!(tokens.identity(&bob), Ok(Identity::Token("bob".to_owned())));
        assert_eq!(
            file.remove("alice").unwrap_err().to_string(),
            format!("there is no token \"alice\" in {}", file.path().display())
        );
        file.remove("bob").unwrap();
        assert_eq!(names(&file), [""; 0]);
    }

    #[test]
    fn the_last_of_a_thousand_is_found() {
        let token = |number: u32| {
            let name = number.to_string();
            Token { hash: Sha256::digest(&name).into(), name }
        };
        let tokens = Tokens((0..1000).map(token).collect());
        assert_eq!(tokens.find("0"), Some("0"));
        assert_eq!(tokens.find("999"), Some("999"));
        assert_eq!(tokens.find("1000"), None);
        assert_eq!(Tokens(Vec::new()).find("0"), None);
    }

    #[test]
    fn a_name_is_there_once() {
        let directory = Directory::new();
        let file = directory.file();
        let first = file.add("alice").unwrap();
        assert_eq!(
            file.add("alice").unwrap_err().to_string(),
            "the token \"alice\" exists already: remove it first (mcp-conductor token remove alice)"
        );
        assert_eq!(names(&file), ["alice"]);
        assert_eq!(Tokens::read(file.path()).unwrap().find(&first), Some("alice"));
    }

    #[test]
    fn a_name_can_stand_in_a_path_and_in_a_log() {
        let longest = "a".repeat(64);
        for name in ["a", "Alice.B-c_d@example.com", ".", "..", longest.as_str()] {
            assert!(is_name(name), "{name}");
        }
        let longer = "a".repeat(65);
        for name in
            ["", "anonymous", "a b", "a/b", "a\n", "ä", "sub:a", "*", "a\0", longer.as_str()]
        {
            assert!(!is_name(name), "{name}");
        }
        let directory = Directory::new();
        assert_eq!(
            directory.file().add("a b").unwrap_err().to_string(),
            "a token's name has 1 to 64 characters out of A-Z, a-z, 0-9 and ._@-, and is not \
             \"anonymous\""
        );
        assert!(!directory.file().path().exists());
    }

    #[test]
    fn the_file_is_for_its_owner_and_nothing_else_is_left() {
        let directory = Directory::new();
        let file = TokenFile::new(directory.0.join("new/tokens.json"));
        file.add("alice").unwrap();
        file.add("bob").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(file.path()), 0o600);
        assert_eq!(mode(file.path().parent().unwrap()), 0o700);
        let mut left: Vec<_> = std::fs::read_dir(directory.0.join("new"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["tokens.json", "tokens.json.lock"]);
    }

    #[test]
    fn commands_at_the_same_time_lose_nothing() {
        let directory = Directory::new();
        let link = directory.0.join("link.json");
        directory.file().add("first").unwrap();
        std::os::unix::fs::symlink(directory.file().path(), &link).unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = if number % 2 == 0 { directory.file().path } else { link.clone() };
                scope.spawn(move || TokenFile::new(path).add(&format!("n{number}")).unwrap());
            }
        });
        let mut names = names(&directory.file());
        names.sort();
        assert_eq!(names, ["first", "n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"]);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_file_that_others_may_read_or_write_is_refused() {
        let directory = Directory::new();
        let file = directory.file();
        file.add("alice").unwrap();
        let path = file.path().display();
        for (mode, open) in [
            (0o640, "readable by"),
            (0o604, "readable by"),
            (0o644, "readable by"),
            (0o620, "open to"),
            (0o601, "open to"),
        ] {
            set_mode(file.path(), mode);
            let expected = format!("{path} is {open} others: chmod 600 {path}");
            assert_eq!(Tokens::read(file.path()).unwrap_err().to_string(), expected);
            assert_eq!(file.add("bob").unwrap_err().to_string(), expected);
        }
        for mode in [0o600, 0o400] {
            set_mode(file.path(), mode);
            assert!(Tokens::read(file.path()).is_ok());
        }
    }

    #[test]
    fn the_file_of_another_user_is_refused() {
        let directory = Directory::new();
        let file = directory.file();
        file.add("alice").unwrap();
        let metadata = std::fs::metadata(file.path()).unwrap();
        assert!(check(file.path(), &metadata, metadata.uid()).is_ok());
        // One of root's is fine, and root runs this test in containers.
        let other = check(file.path(), &metadata, metadata.uid() + 1);
        assert_eq!(other.is_ok(), metadata.uid() == 0);
    }

    #[test]
    fn something_else_than_a_file_is_refused() {
        let directory = Directory::new();
        let path = directory.0.join("tokens.json");
        assert_eq!(
            Tokens::read(&path).unwrap_err().to_string(),
            format!(
                "{0}: there is no such file; `mcp-conductor token add NAME --tokens {0}` creates \
                 one",
                path.display()
            )
        );
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(matches!(Tokens::read(&path), Err(TokenFileError::Unsafe { .. })));
        assert!(matches!(Tokens::read(&directory.0), Err(TokenFileError::Unsafe { .. })));
    }

    #[test]
    fn a_broken_file_is_an_error_that_quotes_no_hash() {
        let directory = Directory::new();
        let path = directory.0.join("tokens.json");
        let (one, two) = ("a".repeat(64), "B".repeat(64));
        let entry = |name: &str, hash: &str| format!(r#"{{"name":"{name}","sha256":"{hash}"}}"#);
        let file = |entries: &[String]| format!(r#"{{"tokens":[{}]}}"#, entries.join(","));
        let date = r#"{"name":"a","sha256":"$","created":"\u001b[2J"}"#.replace('$', &one);
        for (text, problem) in [
            (String::new(), "line 1, column 0"),
            ("{\n\"token\": []}".to_owned(), "line 2, column 7"),
            (file(&[entry("a", "canary")]), "\"a\": sha256 is not 64 hexadecimal digits"),
            (file(&[entry("a", &"ä".repeat(32))]), "\"a\": sha256 is not 64 hexadecimal digits"),
            (file(&[entry("a", &one), entry("a", &two)]), "\"a\" is given twice"),
            (file(&[entry("a", &one), entry("b", &one)]), "\"b\" has the hash of another token"),
            (file(&[date]), "\"a\": created is not a date"),
            (" ".repeat(1 << 20) + "{}", "it is larger than 1048576 bytes"),
        ] {
            write(&path, &text);
            assert_eq!(
                Tokens::read(&path).unwrap_err().to_string(),
                format!("{} is not a token file: {problem}", path.display())
            );
        }
        write(&path, &file(&[entry("a", &one), entry("b", &two)]));
        assert_eq!(names(&TokenFile::new(&path)), ["a", "b"]);
    }
}
