//! The trace that a client's request is part of (W3C Trace Context, level 1).

use std::fmt;

use http::HeaderMap;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use opentelemetry::{Context, SpanId, TraceFlags, TraceId};
use rmcp::RoleServer;
use rmcp::service::RequestContext;

/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits (section 3.2.2).
const LENGTH: usize = 55;

/// The client's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceParent {
    trace: u128,
    span: u64,
    is_sampled: bool,
}

impl TraceParent {
    /// That of a call: `_meta.traceparent` (SEP-414), else the HTTP header. What is
    /// malformed is as if it were not there (section 4.3).
    pub(crate) fn from_context(context: &RequestContext<RoleServer>) -> Option<Self> {
        let of_call = context.meta.get_traceparent().and_then(Self::parse);
        of_call.or_else(|| {
            let parts = context.extensions.get::<http::request::Parts>()?;
            Self::from_headers(&parts.headers)
        })
    }

    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let value = values.next()?;
        // More than one cannot be the client's own word (section 4.3).
        if values.next().is_some() {
            return None;
        }
        Self::parse(value.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let mut parts = text.split('-');
        let version = parts.next()?;
        let trace = hex(parts.next()?, 32)?;
        let span = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = hex(parts.next()?, 2)?;
        let is_valid = version == "00" && parts.next().is_none() && trace != 0 && span != 0;
        is_valid.then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }

    /// A span of this server's, as the parent of another's.
    pub(super) fn of(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self {
            trace: u128::from_be_bytes(span.trace_id().to_bytes()),
            span: u64::from_be_bytes(span.span_id().to_bytes()),
            is_sampled: span.is_sampled(),
        })
    }

    /// As the parent of a span.
    pub(super) fn context(self) -> Context {
        let trace = TraceId::from_bytes(self.trace.to_be_bytes());
        let span = SpanId::from_bytes(self.span.to_be_bytes());
        let flags = TraceFlags::default().with_sampled(self.is_sampled);
        let remote = SpanContext::new(trace, span, flags, true, TraceState::NONE);
        Context::new().with_remote_span_context(remote)
    }
}

/// As `traceparent` has it (section 3.2).
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, is_sampled } = self;
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(*is_sampled))
    }
}

/// A number of exactly this many lower-case digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != digits || !is_hex {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// The example of section 3.2.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    const PARENT: TraceParent = TraceParent {
        trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
        span: 0x00f0_67aa_0ba9_02b7,
        is_sampled: true,
    };

    #[test]
    fn a_traceparent_names_trace_and_span() {
        assert_eq!(TraceParent::parse(EXAMPLE), Some(PARENT));
        let unsampled = EXAMPLE.replace("-01", "-02");
        let unsampled = TraceParent::parse(&unsampled);
        assert_eq!(unsampled, Some(TraceParent { is_sampled: false, ..PARENT }));
    }

    #[test]
    fn what_is_malformed_is_ignored() {
        for text in [
            "",
            "00",
            &EXAMPLE[..54],
            &format!("{EXAMPLE}-"),
            &EXAMPLE.replace("00-4", "ff-4"),
            &EXAMPLE.replace("00-4", "01-4"),
            &EXAMPLE.to_uppercase(),
            &EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &EXAMPLE.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &EXAMPLE.replace("4bf9", "+bf9"),
            &EXAMPLE.replace("4bf9", "4bfä").replace("4736", "473"),
            &"-".repeat(55),
            &"ä".repeat(40),
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn of_two_headers_none_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceParent::from_headers(&headers), None);
        headers.append("traceparent", HeaderValue::from_static(EXAMPLE));
        assert_eq!(TraceParent::from_headers(&headers), Some(PARENT));
        headers.append("traceparent", HeaderValue::from_static(EXAMPLE));
        assert_eq!(TraceParent::from_headers(&headers), None);
    }

    #[test]
    fn the_parent_of_a_span_is_remote_and_keeps_its_ids() {
        let context = PARENT.context();
        let span = context.span().span_context().clone();
        assert_eq!(span.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.span_id().to_string(), "00f067aa0ba902b7");
        assert!(span.is_remote() && span.is_sampled() && span.is_valid());
    }
}
