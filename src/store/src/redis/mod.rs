//! A store by a Redis or Valkey server, which several replicas share.
//!
//! How durable a change is when it returns is the server's setting (`appendonly`,
//! `appendfsync`). One server is asked, not a cluster.

mod bounded;
mod coding;
mod limits;
mod link;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use redis::Cmd;

pub use self::link::{RedisSettings, Tls};

use self::coding::{ADD, FORMAT, SET_IF};
use self::link::{Link, deadline};
use crate::entry::{State, check_value};
use crate::key::{Range, check_name, stored};
use crate::{
    Claim, Entry, Expected, Held, Keep, Key, Kind, Namespace, Refill, Store, StoreError,
    StoreStatus, Taken, Version,
};

/// Keys that one step of SCAN looks at: less than a millisecond of the server.
const SCANNED: usize = 1000;

/// A store by this server, which is not asked before the first call.
///
/// # Errors
/// [`StoreError::Unavailable`] if the address names a password that is not set.
pub async fn redis(settings: RedisSettings) -> Result<Arc<dyn Store>, StoreError> {
    if let (Some(variable), None) = (settings.address.password_variable(), &settings.password) {
        let reason = format!("{}: the variable {variable} is not set", settings.address);
        return Err(StoreError::Unavailable { reason });
    }
    Ok(Arc::new(Redis { link: Link::new(settings) }))
}

#[derive(Debug)]
struct Redis {
    link: Link,
}

impl Redis {
    /// A key with the prefix.
    fn key(&self, key: &Key) -> Result<String, StoreError> {
        key.check()?;
        Ok(format!("{}{}", self.link.address().prefix, key.stored()))
    }

    /// Makes a change, and says how much the server may hold where it is full.
    async fn change<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let deadline = deadline();
        match self.link.ask_until(deadline, command).await {
            Err(StoreError::Full { .. }) => {
                let ask = redis::cmd("INFO").arg("memory").to_owned();
                let memory: String = self.link.ask_until(deadline, &ask).await?;
                Err(StoreError::Full { limit: number(&memory, "maxmemory").unwrap_or(0) })
            }
            other => other,
        }
    }

    /// All names in a range, from the whole database.
    async fn scan(&self, range: &Range, whole: &str) -> Result<Vec<String>, StoreError> {
        let prefix = &self.link.address().prefix;
        let deadline = deadline();
        let mut names = BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(coding::pattern(&format!("{prefix}{whole}")));
            scan.arg("COUNT").arg(SCANNED);
            let (next, keys): (u64, Vec<Vec<u8>>) = self.link.ask_until(deadline, &scan).await?;
            for key in keys {
                // What is not UTF-8 no store has set.
                let Ok(key) = String::from_utf8(key) else { continue };
                let Some(stored) = key.strip_prefix(prefix.as_str()) else { continue };
                if !range.is_behind_its_beginning(stored) || !range.has(stored) {
                    continue;
                }
                let name = range.name(stored);
                // One that is too long no store has set, either.
                if check_name(&name).is_ok() {
                    names.insert(name);
                }
                if names.len() > range.limit {
                    names.pop_last();
                }
            }
            cursor = next;
            if cursor == 0 {
                return Ok(names.into_iter().collect());
            }
        }
    }
}

#[async_trait]
impl Store for Redis {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let key = self.key(key)?;
        // One byte more than there can be: others may have put something larger there.
        let range = redis::cmd("GETRANGE").arg(&key).arg(0).arg(coding::MOST).to_owned();
        let bytes: Vec<u8> = self.link.ask(&range).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        coding::decode(&bytes.into()).map(|record| Some(record.entry()))
    }

    async fn set(
        &self,
        key: &Key,
        expected: Expected,
        value: Bytes,
        keep: Keep,
    ) -> Result<Version, StoreError> {
        check_value(&value)?;
        let key = self.key(key)?;
        let (version, content) = coding::encode(&value)?;
        let millis = keep.millis();
        let mut plain = redis::cmd("SET");
        plain.arg(&key).arg(&content);
        if let Some(millis) = millis {
            plain.arg("PX").arg(millis);
        }
        let compared = |kind: &str, there: Vec<u8>| {
            let mut command = redis::cmd("EVAL");
            command.arg(SET_IF).arg(1).arg(&key).arg(kind).arg(there).arg(&content);
            command.arg(millis.unwrap_or(0));
            command
        };
        let command = match expected {
            Expected::Any => plain,
            Expected::Absent => plain.arg("NX").to_owned(),
            Expected::Version(Version(State::Value(version))) => {
                compared("value", coding::head(version))
            }
            Expected::Version(Version(State::Counter(count))) => {
                compared("counter", count.to_string().into())
            }
        };
        // OK or nil of SET, 1 or 0 of the script.
        match self.change(&command).await? {
            redis::Value::Nil | redis::Value::Int(0) => Err(StoreError::Conflict),
            _ => Ok(version),
        }
    }

    async fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        let key = self.key(key)?;
        self.link.ask(redis::cmd("DEL").arg(&key)).await
    }

    async fn add(&self, key: &Key, delta: i64, keep: Keep) -> Result<i64, StoreError> {
        let key = self.key(key)?;
        let end = if delta < 0 { i64::MIN } else { i64::MAX };
        let mut command = redis::cmd("EVAL");
        command.arg(ADD).arg(1).arg(&key).arg(delta).arg(keep.millis().unwrap_or(0)).arg(end);
        let count: Option<i64> = self.change(&command).await?;
        count.ok_or(StoreError::Conflict)
    }

    async fn take(&self, key: &Key, wanted: i32, refill: Refill) -> Result<Taken, StoreError> {
        let key = self.key(key)?;
        let taken: Option<(i64, i64)> = self.change(&limits::take(&key, wanted, refill)).await?;
        taken.map(|taken| limits::taken(wanted, taken)).ok_or(StoreError::Conflict)
    }

    async fn hold(&self, key: &Key, claim: Claim<'_>) -> Result<Held, StoreError> {
        claim.check()?;
        let key = self.key(key)?;
        let held: Option<(i64, i64, i64)> = self.change(&limits::hold(&key, &claim)?).await?;
        held.map(|held| limits::held(&claim, held)).ok_or(StoreError::Conflict)
    }

    async fn list(
        &self,
        namespace: Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        check_name(prefix)?;
        let range = Range::new(namespace, prefix, after, limit);
        self.scan(&range, &stored(namespace, prefix)).await
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        let start = Instant::now();
        let info: String = self.link.ask(redis::cmd("INFO").arg("default")).await?;
        let version = text(&info, "valkey_version").map(|version| format!("Valkey {version}"));
        let redis = || text(&info, "redis_version").map(|version| format!("Redis {version}"));
        let version = version.or_else(redis).unwrap_or_else(|| "unknown server".to_owned());
        Ok(StoreStatus {
            kind: Kind::Redis,
            place: self.link.address().to_string(),
            version: Some(format!("{version}, format {FORMAT}")),
            entries: None,
            bytes: number(&info, "used_memory"),
            limit: number(&info, "maxmemory").filter(|limit| *limit != 0),
            took: start.elapsed(),
        })
    }
}

/// A line of INFO.
fn text<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn number(info: &str, name: &str) -> Option<u64> {
    text(info, name)?.parse().ok()
}
