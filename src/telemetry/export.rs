//! Traces on their way to a collector: OTLP over HTTP, as the environment variables of
//! the OpenTelemetry specification ("OTLP exporter configuration") say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use super::traces::TARGET;

const NAME: &str = "mcp-conductor";

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TRACES_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";

/// For one request to the collector: the specification's default of
/// OTEL_EXPORTER_OTLP_TIMEOUT.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// For the last spans when the server ends. With the 8 s of the default drain timeout,
/// less than half of the 30 s that Kubernetes waits before it kills.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Why traces cannot be sent.
#[derive(Debug, Error)]
pub enum TraceExportError {
    /// Another protocol than the one that there is.
    #[error(
        "{variable} is \"{value}\": traces are sent as http/protobuf only; unset it, and name \
         the collector's HTTP port, such as {ENDPOINT}=http://localhost:4318"
    )]
    Protocol {
        /// The variable that names it.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// The collector's address is not a URL. It is not shown: it may hold a password.
    #[error("{0} is not an http or https URL, such as http://localhost:4318")]
    Endpoint(&'static str),
    /// The exporter cannot be made.
    #[error("Traces cannot be sent: {0}")]
    Exporter(String),
}

/// The way of traces to a collector. Dropped, it sends the last ones, for up to 5 s.
pub struct TraceExport(SdkTracerProvider);

impl TraceExport {
    /// What the environment asks for; nothing if it names no collector
    /// (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`). To be called
    /// before any event loop runs: the exporter has threads of its own.
    ///
    /// # Errors
    /// [`TraceExportError`] if it cannot be done as asked.
    pub fn from_env() -> Result<Option<Self>, TraceExportError> {
        let variable = |name: &str| std::env::var(name).ok();
        if !is_wanted(&variable)? {
            return Ok(None);
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(client()?)
            .build()
            .map_err(|error| TraceExportError::Exporter(error.to_string()))?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Exporter { exporter, is_failing: AtomicBool::new(false) })
            .with_resource(resource(&variable))
            .build();
        Ok(Some(Self(provider)))
    }

    /// What takes the spans. Nothing else may have a wish for them.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        layer(&self.0)
    }
}

impl Drop for TraceExport {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!("the last traces were not sent: {error}");
        }
    }
}

/// Spans of this crate's own, and no event.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let scope = InstrumentationScope::builder(NAME).with_version(env!("CARGO_PKG_VERSION"));
    tracing_opentelemetry::layer::<S>()
        .with_tracer(provider.tracer_with_scope(scope.build()))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(Targets::new().with_target(TARGET, LevelFilter::TRACE))
}

/// The exporter, and a line in the log when it does not get through: the SDK says
/// nothing without its feature `internal-logs`.
#[derive(Debug)]
struct Exporter {
    exporter: opentelemetry_otlp::SpanExporter,
    is_failing: AtomicBool,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        let was_failing = self.is_failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !was_failing => tracing::warn!("traces are lost: {error}"),
            Ok(()) if was_failing => tracing::info!("traces are sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The first of these variables that says something.
fn first(variable: Lookup<'_>, names: [&'static str; 2]) -> Option<(&'static str, String)> {
    let given = |name| variable(name).filter(|text| !text.trim().is_empty());
    names.into_iter().find_map(|name| Some((name, given(name)?)))
}

fn is_wanted(variable: Lookup<'_>) -> Result<bool, TraceExportError> {
    let is = |name, word: &str| {
        variable(name).is_some_and(|text| text.trim().eq_ignore_ascii_case(word))
    };
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return Ok(false);
    }
    let Some((name, endpoint)) = first(variable, [TRACES_ENDPOINT, ENDPOINT]) else {
        return Ok(false);
    };
    let url = Url::parse(&endpoint).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    if url.is_none() || endpoint.parse::<http::Uri>().is_err() {
        return Err(TraceExportError::Endpoint(name));
    }
    match first(variable, [TRACES_PROTOCOL, PROTOCOL]) {
        Some((variable, value)) if !value.trim().eq_ignore_ascii_case("http/protobuf") => {
            Err(TraceExportError::Protocol { variable, value })
        }
        _ => Ok(true),
    }
}

fn client() -> Result<reqwest::blocking::Client, TraceExportError> {
    let failed = |error: String| TraceExportError::Exporter(error);
    let event_loop = tokio::runtime::Builder::new_current_thread().build();
    let event_loop = event_loop.map_err(|error| failed(error.to_string()))?;
    let tls = event_loop.block_on(crate::net::tls::tls_with_roots()).map_err(failed)?;
    reqwest::blocking::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| failed(error.to_string()))
}

/// What the environment says of this process, and its name where nothing is said.
fn resource(variable: Lookup<'_>) -> Resource {
    let named = first(variable, ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"])
        .is_some_and(|(name, text)| name == "OTEL_SERVICE_NAME" || text.contains("service.name="));
    let builder = Resource::builder();
    if named { builder.build() } else { builder.with_service_name(NAME).build() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(variables: &[(&str, &str)]) -> Result<bool, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        is_wanted(&variable).map_err(|error| error.to_string())
    }

    const COLLECTOR: (&str, &str) = (ENDPOINT, "http://localhost:4318");

    #[test]
    fn traces_are_sent_where_a_collector_is_named() {
        assert_eq!(wanted(&[]), Ok(false));
        assert_eq!(wanted(&[(ENDPOINT, "")]), Ok(false));
        assert_eq!(wanted(&[COLLECTOR]), Ok(true));
        assert_eq!(wanted(&[(TRACES_ENDPOINT, "https://a.example/v1/traces")]), Ok(true));
    }

    #[test]
    fn traces_can_be_turned_off() {
        assert_eq!(wanted(&[COLLECTOR, ("OTEL_SDK_DISABLED", "true")]), Ok(false));
        assert_eq!(wanted(&[COLLECTOR, ("OTEL_SDK_DISABLED", "false")]), Ok(true));
        assert_eq!(wanted(&[COLLECTOR, ("OTEL_TRACES_EXPORTER", "none")]), Ok(false));
    }

    #[test]
    fn another_protocol_is_an_error() {
        assert_eq!(wanted(&[COLLECTOR, (PROTOCOL, "http/protobuf")]), Ok(true));
        assert_eq!(
            wanted(&[COLLECTOR, (PROTOCOL, "grpc")]),
            Err("OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\": traces are sent as http/protobuf only; \
                 unset it, and name the collector's HTTP port, such as \
                 OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318"
                .into())
        );
        let own = [COLLECTOR, (PROTOCOL, "grpc"), (TRACES_PROTOCOL, "http/protobuf")];
        assert_eq!(wanted(&own), Ok(true));
    }

    #[test]
    fn an_address_that_is_no_url_is_not_shown() {
        for address in ["localhost:4318", "user:canary", "ftp://canary/", "http://"] {
            let message = wanted(&[(ENDPOINT, address)]).unwrap_err();
            let expected = "OTEL_EXPORTER_OTLP_ENDPOINT is not an http or https URL, such as \
                            http://localhost:4318";
            assert_eq!(message, expected, "{address}");
        }
    }

    #[test]
    fn the_service_has_its_name_unless_it_is_given_another() {
        let key = opentelemetry::Key::from_static_str("service.name");
        let resource = resource(&|_| None);
        assert_eq!(resource.get(&key), Some(NAME.into()));
    }
}
