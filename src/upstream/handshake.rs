//! How a connection begins: in the order of the specifications, until the server has
//! answered in its era.
//!
//! ```text
//! process: server/discover, then initialize → (a new process) initialize
//! URL:     server/discover → initialize → HTTP+SSE
//! ```

use std::sync::Arc;

use rmcp::model::{ErrorCode, ProtocolVersion};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService,
};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;

use super::causes::{innermost, with_causes};
use super::client::Client;
use super::common::Common;
use super::era::Era;
use super::http::Failure;
use super::intake::Intake;
use super::lines;
use super::ordered::Ordered;
use super::probe::Probe;
use super::process::{Launch, ServerProcess, Streams};
use crate::config::servers::{ServerConfig, TransportConfig};
use crate::memory::Account;

/// Bytes between the filter and rmcp.
const PIPE_BYTES: usize = 64 << 10;

/// What a connection is made of, as often as it takes.
pub(super) struct Opening<'a> {
    pub client: Client,
    pub config: &'a ServerConfig,
    pub common: &'a Common,
    pub account: Account,
}

/// A server that has answered.
pub(super) struct Connected {
    pub service: Service,
    pub intake: Arc<Intake>,
    pub process: Option<ServerProcess>,
}

pub(super) type Service = RunningService<RoleClient, Client>;

/// Why a process was not connected to.
struct Failed {
    reason: String,
    /// How to ask a new one, if that may be another matter.
    next: Option<ClientLifecycleMode>,
}

/// Without a handshake, or with one if the server answers with an error, or not.
fn either() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::LATEST],
        legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
    }
}

pub(super) fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::LATEST] }
}

impl Opening<'_> {
    pub(super) async fn connect(&self) -> Result<Connected, String> {
        match &self.config.transport {
            TransportConfig::Stdio { command, args, env, cwd } => {
                let (cwd, environment) = (cwd.as_ref(), &*self.common.environment);
                self.to_process(&Launch { command, args, env, cwd, environment }).await
            }
            TransportConfig::Http { url, headers } => self.to_url(url, headers).await,
        }
    }

    /// What a former connection has shown.
    pub(super) fn era(&self) -> Option<Era> {
        self.common.eras.of(&self.config.transport)
    }

    pub(super) fn note(&self, era: Era) {
        self.common.eras.note(&self.config.transport, era);
    }

    pub(super) fn forget_era(&self) {
        self.common.eras.forget(&self.config.transport);
    }

    /// One attempt's.
    pub(super) fn intake(&self) -> Arc<Intake> {
        let (name, quiet) = (self.client.name.clone(), self.client.quiet.clone());
        Intake::new(name, self.account.clone(), self.common.limits.message_bytes(), quiet)
    }

    pub(super) async fn serve<T: Transport<RoleClient> + 'static>(
        &self,
        inner: T,
        intake: &Arc<Intake>,
        probe: &Arc<Probe>,
        lifecycle: ClientLifecycleMode,
    ) -> Result<Service, ClientInitializeError> {
        let (calls, intake, probe) = (self.client.calls.clone(), intake.clone(), probe.clone());
        let transport = Ordered { inner, calls, intake, probe };
        let service = self.client.clone().serve_with_lifecycle(transport, lifecycle).await?;
        let info = service.peer().peer_info();
        let has_handshake = info.is_none_or(|info| info.protocol_version.has_initialize());
        self.note(if has_handshake { Era::Legacy } else { Era::Modern });
        Ok(service)
    }

    async fn to_process(&self, launch: &Launch<'_>) -> Result<Connected, String> {
        let first = match self.era() {
            Some(Era::Legacy) => ClientLifecycleMode::Initialize,
            _ => either(),
        };
        let failed = match self.start(launch, first).await {
            Ok(connected) => return Ok(connected),
            Err(failed) => failed,
        };
        let Some(next) = failed.next else { return Err(failed.reason) };
        let (server, reason) = (&self.client.name, failed.reason);
        tracing::debug!(%server, "not connected, and started again to be asked otherwise: {reason}");
        self.start(launch, next).await.map_err(|failed| failed.reason)
    }

    /// Starts a process, and ends it if it cannot be connected to.
    async fn start(
        &self,
        launch: &Launch<'_>,
        lifecycle: ClientLifecycleMode,
    ) -> Result<Connected, Failed> {
        let has_probe = matches!(lifecycle, ClientLifecycleMode::Auto { .. });
        let (intake, probe) = (self.intake(), Arc::new(Probe::default()));
        let quiet = self.client.quiet.clone();
        let (mut process, Streams { stdin, stdout }) =
            ServerProcess::start(&self.client.name, launch, &self.common.groups, quiet)
                .map_err(|reason| Failed { reason, next: None })?;
        let (output, filtered) = tokio::io::duplex(PIPE_BYTES);
        let filter = intake.clone();
        tokio::spawn(async move { lines::pass_on(stdout, filtered, &filter).await });
        let inner = AsyncRwTransport::new(output, stdin).with_max_line_length(intake.limit() + 1);
        let error = match self.serve(inner, &intake, &probe, lifecycle).await {
            Ok(service) => return Ok(Connected { service, intake, process: Some(process) }),
            Err(error) => error,
        };
        let reason = match process.ended().await {
            Some(status) => {
                if !has_probe {
                    self.forget_era();
                }
                format!("\"{}\" ended before it answered: {status}", launch.command)
            }
            None => {
                // It has answered, and otherwise than before.
                self.forget_era();
                initialize_error(&error, &None)
            }
        };
        let next = (has_probe && !is_final(&error)).then(|| match probe.is_modern() {
            true => modern(),
            false => ClientLifecycleMode::Initialize,
        });
        if next.is_some() {
            // What it holds is free for the next one.
            process.end().await;
        }
        Err(Failed { reason, next })
    }
}

/// Whether the server would say the same to whatever is asked.
pub(super) fn is_final(error: &ClientInitializeError) -> bool {
    match error {
        ClientInitializeError::NoCompatibleProtocolVersion { server_supported, .. } => {
            !server_supported.is_empty()
                && !server_supported.iter().any(ProtocolVersion::has_initialize)
        }
        // Of servers without a handshake.
        ClientInitializeError::JsonRpcError(error) => matches!(
            error.code,
            ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY | ErrorCode::HEADER_MISMATCH
        ),
        ClientInitializeError::TransportError { error, .. } => {
            match error.error.downcast_ref::<Failure>() {
                Some(Failure::Client(error)) => error.is_connect(),
                Some(
                    Failure::Auth(_) | Failure::AuthRequired(_) | Failure::InsufficientScope(_),
                ) => true,
                _ => false,
            }
        }
        _ => false,
    }
}

pub(super) fn initialize_error(
    error: &ClientInitializeError,
    url: &Option<(String, String)>,
) -> String {
    if error.is_authorization_required() {
        return "it wants authorization: give it a token in \"headers\", or run `mcp-conductor \
                login NAME`"
            .to_owned();
    }
    match error {
        ClientInitializeError::TransportError { error, .. } => innermost(error, url),
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => {
            initialize_error(fallback, url)
        }
        other => with_causes(other, url),
    }
}
