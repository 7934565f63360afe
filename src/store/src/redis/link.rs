//! The connection to the server: made when it is needed, made again with pauses that grow, and
//! given up after an answer that did not come.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, RedisError};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use url::Host;

use super::bounded::{Bounded, Budget, IN_FLIGHT};
use super::coding::FORMAT;
use crate::place::RedisAddress;
use crate::{CALL_TIMEOUT, StoreError};

/// The longest that connecting may take: less than a call, so that a call says why it failed.
const CONNECT_TIMEOUT: Duration =
    CALL_TIMEOUT.checked_div(4).expect("4 is not 0").saturating_mul(3);

/// The pause after the first attempt that failed; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause: how late a server that is there again may be noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Bytes of an error of the server that are repeated.
const MOST_OF_AN_ERROR: usize = 200;

/// Makes the TLS of a client, which is trusted roots and a provider.
pub type Tls = Arc<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<rustls::ClientConfig, String>> + Send>>
        + Send
        + Sync,
>;

/// A server, and what is needed to ask it.
#[derive(Clone)]
pub struct RedisSettings {
    /// Where it is.
    pub address: RedisAddress,
    /// What the variable that the address names had.
    pub password: Option<String>,
    /// For an address with `rediss://`.
    pub tls: Tls,
}

/// Without the password.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings").field("address", &self.address).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Link {
    settings: RedisSettings,
    state: Mutex<State>,
    in_flight: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    /// How many connections there were.
    number: u64,
    failed: Option<Failed>,
}

#[derive(Debug)]
struct Connection {
    requests: MultiplexedConnection,
    driver: JoinHandle<()>,
    budget: Arc<Budget>,
}

/// Its requests have no use for each other's answers.
impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Attempts that failed one after the other.
#[derive(Debug)]
struct Failed {
    attempts: u32,
    until: Instant,
    error: StoreError,
}

impl Link {
    pub(super) fn new(settings: RedisSettings) -> Self {
        let in_flight = Semaphore::new(IN_FLIGHT);
        Self { settings, state: Mutex::default(), in_flight }
    }

    pub(super) fn address(&self) -> &RedisAddress {
        &self.settings.address
    }

    /// Asks the server, within the time of a call.
    pub(super) async fn ask<T: redis::FromRedisValue>(
        &self,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        self.ask_until(deadline(), command).await
    }

    /// Asks the server, for a call that ends at `deadline`.
    pub(super) async fn ask_until<T: redis::FromRedisValue>(
        &self,
        deadline: Instant,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        let connection = async {
            let permit =
                self.in_flight.acquire().await.map_err(|error| self.unavailable(&error))?;
            Ok((permit, self.connection().await?))
        };
        let (_permit, (number, mut requests, budget)) =
            timeout_at(deadline.into(), connection).await.unwrap_or(Err(StoreError::Timeout))?;
        let (asked, request) = (Instant::now(), budget.ask());
        match timeout_at(deadline.into(), command.query_async(&mut requests)).await {
            Ok(Ok(answer)) => {
                request.answered();
                Ok(answer)
            }
            Ok(Err(error)) => {
                if error.is_unrecoverable_error() {
                    self.give_up(number);
                }
                Err(self.problem(&error))
            }
            Err(_) => {
                // One that got its turn late says nothing about the server.
                if asked.elapsed() > CALL_TIMEOUT / 2 {
                    self.give_up(number);
                }
                Err(StoreError::Timeout)
            }
        }
    }

    /// Does not use a connection again, so that the next call finds out whether the server is
    /// there.
    fn give_up(&self, number: u64) {
        // Who holds it makes a new one, or has not yet seen that this one is lost.
        if let Ok(mut state) = self.state.try_lock()
            && state.number == number
        {
            state.connection = None;
        }
    }

    /// The connection, which is made where there is none.
    async fn connection(&self) -> Result<(u64, MultiplexedConnection, Arc<Budget>), StoreError> {
        let mut state = self.state.lock().await;
        if let Some(there) = state.connection.as_ref().filter(|there| !there.driver.is_finished()) {
            return Ok((state.number, there.requests.clone(), Arc::clone(&there.budget)));
        }
        state.connection = None;
        if let Some(failed) = &state.failed
            && failed.until > Instant::now()
        {
            return Err(failed.error.clone());
        }
        match self.connect().await {
            Ok(connection) => {
                let requests = connection.requests.clone();
                let budget = Arc::clone(&connection.budget);
                *state =
                    State { connection: Some(connection), number: state.number + 1, failed: None };
                Ok((state.number, requests, budget))
            }
            Err(error) => {
                let attempts = state.failed.as_ref().map_or(0, |failed| failed.attempts) + 1;
                let until = Instant::now() + pause(attempts);
                state.failed = Some(Failed { attempts, until, error: error.clone() });
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, StoreError> {
        let late = |_| {
            let limit = CONNECT_TIMEOUT.as_millis();
            Err(self.unavailable(&format!("no connection within {limit} ms")))
        };
        timeout(CONNECT_TIMEOUT, self.connected()).await.unwrap_or_else(late)
    }

    async fn connected(&self) -> Result<Connection, StoreError> {
        let address = self.address();
        let tcp = match &address.host {
            Host::Domain(name) => TcpStream::connect((name.as_str(), address.port)).await,
            Host::Ipv4(ip) => TcpStream::connect((*ip, address.port)).await,
            Host::Ipv6(ip) => TcpStream::connect((*ip, address.port)).await,
        };
        let tcp = tcp.map_err(|error| self.unavailable(&error))?;
        // A request is one write.
        tcp.set_nodelay(true).map_err(|error| self.unavailable(&error))?;
        if !address.is_encrypted {
            return self.greeted(tcp).await;
        }
        let mut tls = (self.settings.tls)().await.map_err(|error| self.unavailable(&error))?;
        tls.alpn_protocols.clear();
        let name = ServerName::try_from(match &address.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        });
        let name = name.map_err(|error| self.unavailable(&error))?;
        let tls = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await;
        self.greeted(tls.map_err(|error| self.unavailable(&error))?).await
    }

    /// Logs in, and sees to it that both sides have one format.
    async fn greeted<Stream>(&self, stream: Stream) -> Result<Connection, StoreError>
    where
        Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let address = self.address();
        let mut login = RedisConnectionInfo::default().set_db(address.database);
        // A user with few rights may not say what it uses.
        login = login.set_skip_set_lib_name();
        if let Some(user) = &address.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.settings.password {
            login = login.set_password(password);
        }
        // Calls have their own bound.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let budget = Budget::new();
        let stream = Bounded::new(stream, Arc::clone(&budget));
        let opened = MultiplexedConnection::new_with_config(&login, stream, config).await;
        let (requests, driver) = opened.map_err(|error| self.problem(&error))?;
        let mut connection = Connection { requests, driver: tokio::spawn(driver), budget };
        self.check_format(&mut connection.requests).await?;
        Ok(connection)
    }

    async fn check_format(&self, requests: &mut MultiplexedConnection) -> Result<(), StoreError> {
        let key = format!("{}format", self.address().prefix);
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(FORMAT).arg("NX");
        let set = set.query_async::<redis::Value>(requests).await;
        set.map_err(|error| self.problem(&error))?;
        let found = redis::cmd("GET").arg(&key).query_async::<Option<u32>>(requests).await;
        match found.map_err(|error| self.problem(&error))? {
            Some(found) if found != FORMAT => Err(StoreError::Format { found, known: FORMAT }),
            Some(_) | None => Ok(()),
        }
    }

    /// What an error means for a caller.
    fn problem(&self, error: &RedisError) -> StoreError {
        if error.code() == Some("OOM") {
            // Of the server's own setting; who asks for the limit gets it with the status.
            return StoreError::Full { limit: 0 };
        }
        self.unavailable(error)
    }

    pub(super) fn unavailable(&self, error: &dyn fmt::Display) -> StoreError {
        let error: String =
            error.to_string().chars().filter(|c| !c.is_control()).take(MOST_OF_AN_ERROR).collect();
        StoreError::Unavailable { reason: format!("{}: {error}", self.address()) }
    }
}

/// When a call that begins now ends.
pub(super) fn deadline() -> Instant {
    Instant::now() + CALL_TIMEOUT
}

/// How long nothing is tried after so many attempts, give or take a quarter: replicas that lost
/// one server do not come back at the same moment.
fn pause(attempts: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << attempts.clamp(1, 16).saturating_sub(1));
    let whole = whole.min(LONGEST_PAUSE);
    let random = getrandom::u32().unwrap_or(0) % 512;
    whole * (768 + random) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_the_longest() {
        for (attempts, whole) in [(1, 100), (2, 200), (6, 3200), (7, 5000), (u32::MAX, 5000)] {
            let pause = pause(attempts).as_millis();
            assert!((whole * 3 / 4..=whole * 5 / 4).contains(&pause), "{attempts}: {pause}");
        }
    }
}
