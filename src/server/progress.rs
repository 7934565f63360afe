//! Output lines as progress notifications while a program runs.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::Peer;

use crate::runtime::OutputEvents;

/// Lines that arrive within this time go into one notification, so that a
/// program that prints a lot does not drown its client.
const BATCH: Duration = Duration::from_millis(50);

/// Longest message of one notification, in bytes. All lines are in the result.
const MAX_MESSAGE_BYTES: usize = 16 << 10;

/// Sends what a program prints until it ends. `progress` counts lines.
pub(super) async fn forward(
    mut events: OutputEvents,
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
) {
    let Some(token) = token else { return drain(events).await };
    let mut lines = 0u32;
    // At once: over HTTP a call has no response headers before its first message.
    let mut message = "running".to_owned();
    loop {
        let mut notification = ProgressNotificationParam::new(token.clone(), f64::from(lines));
        notification.message = Some(std::mem::take(&mut message));
        if peer.notify_progress(notification).await.is_err() {
            return drain(events).await;
        }
        let Some(event) = events.next().await else { return };
        push(&mut message, &event.line);
        lines = lines.saturating_add(1);
        let until = tokio::time::Instant::now() + BATCH;
        while let Ok(Some(event)) = tokio::time::timeout_at(until, events.next()).await {
            push(&mut message, &event.line);
            lines = lines.saturating_add(1);
        }
    }
}

async fn drain(mut events: OutputEvents) {
    while events.next().await.is_some() {}
}

fn push(message: &mut String, line: &str) {
    if message.len() + line.len() < MAX_MESSAGE_BYTES {
        if !message.is_empty() {
            message.push('\n');
        }
        message.push_str(line);
    } else if !message.ends_with('…') {
        message.push('…');
    }
}
