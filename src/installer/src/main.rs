//! Resolves, fetches and bundles the packages that programs may import. Started by
//! `mcp-conductor install`: one JSON request on stdin, one JSON answer on stdout,
//! progress and notes on stderr. An error is one sentence on stderr and exit code 1.

// Both programs compile the exchange, and each uses its half of it.
#[allow(dead_code)]
#[path = "../../packages/exchange.rs"]
mod exchange;
#[allow(dead_code)]
#[path = "../../packages/pypi.rs"]
mod pypi;
#[allow(dead_code)]
#[path = "../../packages/simple_index.rs"]
mod simple_index;

mod bundle;
mod fetch;
#[cfg(test)]
#[path = "../../../tests/support/registry/mod.rs"]
mod registry;

use std::io::{Read, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;

const USAGE: &str = "Usage: mcp-conductor-installer fetch|wheels|bundle, with a JSON request on stdin. \
     It is started by `mcp-conductor install`";

/// A request has the allow-list and a few paths: 1 MiB is some ten thousand packages.
const MAX_REQUEST: u64 = 1 << 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let answered = match (arguments.next().as_deref(), arguments.next()) {
        (Some("fetch"), None) => answer(fetch::run),
        (Some("wheels"), None) => answer(fetch::wheels::run),
        (Some("bundle"), None) => answer(bundle::run),
        _ => Err(USAGE.to_owned()),
    };
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the request, runs the command, and writes its answer.
fn answer<Request, Answer>(
    command: impl FnOnce(Request) -> Result<Answer, String>,
) -> Result<(), String>
where
    Request: DeserializeOwned,
    Answer: Serialize,
{
    let answer = command(request(std::io::stdin().lock())?)?;
    let text = serde_json::to_vec(&answer).map_err(|error| format!("No JSON answer: {error}"))?;
    std::io::stdout().write_all(&text).map_err(|error| format!("Cannot write the answer: {error}"))
}

fn request<Request: DeserializeOwned>(input: impl Read) -> Result<Request, String> {
    let mut text = Vec::new();
    input
        .take(MAX_REQUEST + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("Cannot read the request: {error}"))?;
    if text.len() as u64 > MAX_REQUEST {
        return Err(format!("The request is longer than {MAX_REQUEST} bytes"));
    }
    serde_json::from_slice(&text).map_err(|error| format!("The request is not valid: {error}"))
}
