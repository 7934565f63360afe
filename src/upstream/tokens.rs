//! What a login at an upstream server has given, kept for later connections: one
//! file for each server, for the user of this server alone.

use std::fmt;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rmcp::transport::auth::{
    AuthError, AuthorizationMetadata, CredentialRefreshGuard, CredentialStore, StoredCredentials,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::Config;
use crate::private_file::replace;

/// Bytes of a file. rmcp reads at most 1 MiB of an answer, and there are two in it:
/// metadata and tokens, the second time indented.
const MAX_FILE: u64 = 4 << 20;

/// For another process that refreshes the same tokens: longer than the request that
/// it makes for that, which may take [`super::login::HTTP_TIMEOUT`].
const LOCK_TIMEOUT: Duration = Duration::from_secs(40);

/// How often it is tried.
const LOCK_EVERY: Duration = Duration::from_millis(50);

/// Permissions of anybody but the owner.
const OTHERS: u32 = 0o077;

#[derive(Debug, Error)]
pub(crate) enum TokenError {
    #[error("{}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{} {problem}, so that the tokens in it are not used", .path.display())]
    Unsafe { path: PathBuf, problem: &'static str },
    #[error("{} is not in the format that a login writes: delete it and log in again", .path.display())]
    Unreadable { path: PathBuf },
    #[error("{} has been deleted: log in again", .path.display())]
    Gone { path: PathBuf },
    #[error("{} is inside the workspace, where programs could read tokens", .path.display())]
    InWorkspace { path: PathBuf },
}

/// The directory of all tokens.
///
/// # Errors
/// It would lie where programs may read and write by default.
pub(crate) fn directory(config: &Config) -> Result<PathBuf, TokenError> {
    let root = config.root_directory();
    let directory = if root == config.workspace() {
        // A workspace of another name has nothing beside it that is ours.
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
        home.join(".mcp-conductor").join("tokens")
    } else {
        root.join("tokens")
    };
    if real(&directory).starts_with(real(config.workspace())) {
        return Err(TokenError::InWorkspace { path: directory });
    }
    Ok(directory)
}

/// A path without symbolic links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|ancestor| {
        let rest = path.strip_prefix(ancestor).ok()?;
        Some(ancestor.canonicalize().ok()?.join(rest))
    });
    found.unwrap_or_else(|| path.to_owned())
}

/// What is in a file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Saved {
    /// This and the URL are for whoever reads the file; its name tells them apart.
    pub server: String,
    pub url: String,
    /// Some authorization servers give one to clients that asked for none.
    pub client_secret: Option<String>,
    /// As it was at the login: a refresh token goes to no other endpoint.
    pub metadata: AuthorizationMetadata,
    pub credentials: StoredCredentials,
}

/// Everything else in it is secret, or may be.
impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saved").field("server", &self.server).finish_non_exhaustive()
    }
}

/// The tokens of one server.
#[derive(Debug, Clone)]
pub(crate) struct TokenStore {
    directory: PathBuf,
    file: PathBuf,
}

impl TokenStore {
    /// Does no I/O. A server of the same name at another URL has other tokens.
    pub(crate) fn new(directory: &Path, server: &str, url: &str) -> Self {
        // No name of a server has a control character.
        let identity = Sha256::digest(format!("{server}\0{url}"));
        let file = directory.join(format!("{identity:x}.json"));
        Self { directory: directory.to_owned(), file }
    }

    /// What the last login or refresh has written.
    ///
    /// # Errors
    /// The file is not for its owner only, or not as it was written.
    pub(crate) fn read(&self) -> Result<Option<Saved>, TokenError> {
        let opened = OpenOptions::new()
            .read(true)
            // A FIFO must not keep the open waiting.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&self.file);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&self.file, error)),
        };
        self.check_directory()?;
        let metadata = file.metadata().map_err(|error| failed(&self.file, error))?;
        if !metadata.is_file() {
            return Err(refused(&self.file, "is not a regular file"));
        }
        check_owner(&self.file, &metadata)?;
        let mut bytes = Vec::new();
        let read = file.take(MAX_FILE).read_to_end(&mut bytes);
        read.map_err(|error| failed(&self.file, error))?;
        // The error of the parser may quote a token.
        let saved = serde_json::from_slice(&bytes);
        saved.map(Some).map_err(|_| TokenError::Unreadable { path: self.file.clone() })
    }

    /// Replaces the file, as a whole.
    pub(crate) fn write(&self, saved: &Saved) -> Result<(), TokenError> {
        self.make_directory()?;
        let text = serde_json::to_vec_pretty(saved)
            .map_err(|error| failed(&self.file, io::Error::other(error)))?;
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = self.file.with_extension(format!("{}-{number}.new", std::process::id()));
        let written = replace(&self.file, &temporary, &text);
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        written.map_err(|error| failed(&self.file, error))
    }

    /// Forgets the tokens.
    pub(crate) fn remove(&self) -> Result<(), TokenError> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&self.file, error)),
            _ => Ok(()),
        }
    }

    fn make_directory(&self) -> Result<(), TokenError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
        made.map_err(|error| failed(&self.directory, error))?;
        self.check_directory()
    }

    fn check_directory(&self) -> Result<(), TokenError> {
        let metadata = std::fs::symlink_metadata(&self.directory)
            .map_err(|error| failed(&self.directory, error))?;
        if !metadata.is_dir() {
            return Err(refused(&self.directory, "is not a directory"));
        }
        check_owner(&self.directory, &metadata)
    }

    /// A file that is locked for as long as it is open.
    fn lock_file(&self) -> Result<File, TokenError> {
        let path = self.file.with_extension("lock");
        self.check_directory()?;
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path);
        opened.map_err(|error| failed(&path, error))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, TokenError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        let done = done.map_err(|error| AuthError::CredentialStoreError(error.to_string()))?;
        done.map_err(|error| AuthError::CredentialStoreError(error.to_string()))
    }
}

fn failed(path: &Path, error: io::Error) -> TokenError {
    TokenError::Io { path: path.to_owned(), error }
}

fn refused(path: &Path, problem: &'static str) -> TokenError {
    TokenError::Unsafe { path: path.to_owned(), problem }
}

fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), TokenError> {
    if metadata.uid() != nix::unistd::geteuid().as_raw() {
        return Err(refused(path, "belongs to another user"));
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(refused(path, "is open to other users (run chmod go=)"));
    }
    Ok(())
}

#[async_trait]
impl CredentialStore for TokenStore {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        let saved = self.blocking(Self::read).await?;
        Ok(saved.map(|saved| saved.credentials))
    }

    /// After a refresh: the first file is written by the login, which knows more.
    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        let work = move |store: &Self| {
            let gone = || TokenError::Gone { path: store.file.clone() };
            let saved = store.read()?.ok_or_else(gone)?;
            store.write(&Saved { credentials, ..saved })
        };
        self.blocking(work).await
    }

    async fn clear(&self) -> Result<(), AuthError> {
        self.blocking(Self::remove).await
    }

    /// A refresh token may work once only (RFC 9700 section 4.14.2), and several
    /// servers may run for one user.
    async fn acquire_refresh_guard(&self) -> Result<Option<CredentialRefreshGuard>, AuthError> {
        let file = self.blocking(Self::lock_file).await?;
        let failed = |problem: String| AuthError::CredentialStoreError(problem);
        let locking = async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_EVERY).await,
                    Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
                }
            }
        };
        match tokio::time::timeout(LOCK_TIMEOUT, locking).await {
            Ok(locked) => locked?,
            Err(_) => return Err(failed("another process refreshes the tokens".to_owned())),
        }
        Ok(Some(CredentialRefreshGuard::new(file)))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;

    const SECRETS: [&str; 3] = ["ACCESS-CANARY", "REFRESH-CANARY", "CLIENT-CANARY"];

    /// A directory that goes away with the value.
    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("mcp-conductor-tokens-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn store(&self) -> TokenStore {
            TokenStore::new(&self.0.join("tokens"), "up", "https://example.com/mcp")
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn credentials(access: &str) -> StoredCredentials {
        serde_json::from_value(json!({
            "client_id": "client",
            "token_response": {
                "access_token": access, "token_type": "bearer", "expires_in": 3600,
                "refresh_token": SECRETS[1], "scope": "tools", "vendor": "more",
            },
            "granted_scopes": ["tools"],
            "token_received_at": 1_700_000_000_u64,
            "issuer": "https://auth.example.com",
        }))
        .unwrap()
    }

    fn saved() -> Saved {
        Saved {
            server: "up".to_owned(),
            url: "https://example.com/mcp".to_owned(),
            client_secret: Some(SECRETS[2].to_owned()),
            metadata: serde_json::from_value(json!({
                "authorization_endpoint": "https://auth.example.com/authorize",
                "token_endpoint": "https://auth.example.com/token",
                "issuer": "https://auth.example.com",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            }))
            .unwrap(),
            credentials: credentials(SECRETS[0]),
        }
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = Directory::new();
        let store = directory.store();
        assert!(store.read().unwrap().is_none());
        store.write(&saved()).unwrap();
        let read = store.read().unwrap().unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), serde_json::to_value(saved()).unwrap());
        store.remove().unwrap();
        store.remove().unwrap();
        assert!(store.read().unwrap().is_none());
    }

    #[test]
    fn files_are_for_their_owner_and_nothing_else_is_left() {
        let directory = Directory::new();
        let store = directory.store();
        store.write(&saved()).unwrap();
        store.write(&saved()).unwrap();
        assert_eq!(mode(&store.directory), 0o700);
        assert_eq!(mode(&store.file), 0o600);
        assert_eq!(std::fs::read_dir(&store.directory).unwrap().count(), 1);
    }

    #[test]
    fn each_name_and_url_has_a_file_of_its_own() {
        let file = |server, url| TokenStore::new(Path::new("/t"), server, url).file;
        assert_eq!(
            file("up", "https://example.com/mcp"),
            Path::new("/t")
                .join(format!("{:x}.json", Sha256::digest(b"up\0https://example.com/mcp")))
        );
        assert_ne!(file("up", "https://example.com/"), file("up", "https://example.com/mcp"));
        assert_ne!(file("../up", "https://a.example/"), file("up", "https://a.example/"));
        assert_eq!(file("../../up", "https://a.example/").parent(), Some(Path::new("/t")));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = Directory::new();
        let store = directory.store();
        store.write(&saved()).unwrap();
        for open in [0o640, 0o604, 0o620] {
            set_mode(&store.file, open);
            assert_eq!(
                store.read().unwrap_err().to_string(),
                format!(
                    "{} is open to other users (run chmod go=), so that the tokens in it \
                     are not used",
                    store.file.display()
                )
            );
        }
        set_mode(&store.file, 0o600);
        set_mode(&store.directory, 0o755);
        assert!(matches!(store.read(), Err(TokenError::Unsafe { .. })));
        assert!(matches!(store.write(&saved()), Err(TokenError::Unsafe { .. })));
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = Directory::new();
        let store = directory.store();
        store.write(&saved()).unwrap();
        let elsewhere = directory.0.join("elsewhere.json");
        std::fs::rename(&store.file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &store.file).unwrap();
        assert!(matches!(store.read(), Err(TokenError::Io { .. })));
        // Writing replaces the link, not what it names.
        std::fs::write(&elsewhere, "untouched").unwrap();
        store.write(&saved()).unwrap();
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "untouched");
        assert!(store.read().unwrap().is_some());
    }

    #[test]
    fn a_broken_file_is_an_error_that_quotes_nothing() {
        let directory = Directory::new();
        let store = directory.store();
        store.write(&saved()).unwrap();
        std::fs::write(&store.file, r#"{"server": "ACCESS-CANARY", "url": 5}"#).unwrap();
        assert_eq!(
            store.read().unwrap_err().to_string(),
            format!(
                "{} is not in the format that a login writes: delete it and log in again",
                store.file.display()
            )
        );
    }

    #[test]
    fn no_secret_is_shown() {
        let directory = Directory::new();
        let shown = format!("{:?} {:?}", saved(), directory.store());
        assert!(shown.contains("server: \"up\""), "{shown}");
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_refresh_replaces_the_tokens_and_keeps_the_rest() {
        let directory = Directory::new();
        let store = directory.store();
        store.write(&saved()).unwrap();
        store.save(credentials("second")).await.unwrap();
        let read = store.read().unwrap().unwrap();
        let expected = Saved { credentials: credentials("second"), ..saved() };
        assert_eq!(serde_json::to_value(read).unwrap(), serde_json::to_value(expected).unwrap());
        store.clear().await.unwrap();
        assert!(store.load().await.unwrap().is_none());
        assert!(store.save(credentials("third")).await.is_err());
    }

    #[tokio::test]
    async fn one_refreshes_at_a_time() {
        let directory = Directory::new();
        let store = directory.store();
        store.write(&saved()).unwrap();
        let first = store.acquire_refresh_guard().await.unwrap();
        let other = directory.store();
        let second = tokio::spawn(async move { other.acquire_refresh_guard().await.is_ok() });
        tokio::time::sleep(LOCK_EVERY * 3).await;
        assert!(!second.is_finished());
        drop(first);
        assert!(second.await.unwrap());
    }

    #[test]
    fn tokens_lie_beside_the_workspace_and_never_in_it() {
        let tokens = |workspace: &str| directory(&Config::default().with_workspace(workspace));
        assert_eq!(
            tokens("/nonexistent/conductor/workspace").unwrap(),
            Path::new("/nonexistent/conductor/tokens")
        );
        let home = std::env::home_dir().unwrap();
        assert_eq!(tokens("/nonexistent/data").unwrap(), home.join(".mcp-conductor/tokens"));
        assert!(matches!(tokens(home.to_str().unwrap()), Err(TokenError::InWorkspace { .. })));
    }
}
