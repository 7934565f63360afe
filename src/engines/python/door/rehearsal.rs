//! The door of the zygote. It plays the host of the smallest program, so that what each worker
//! goes through is compiled and specialized before the first fork.

use serde_json::{Value, json};

use super::failure;
use super::frame::{Reply, Request};

/// What the zygote's interpreter has said.
#[derive(Default)]
pub(in crate::engines::python) struct Rehearsal {
    immortals: Vec<u32>,
}

impl Rehearsal {
    pub(super) fn answer(&mut self, request: Request, body: &[u8]) -> Reply {
        match request {
            Request::Program => program(),
            Request::Started
            | Request::Image { .. }
            | Request::Note { .. }
            | Request::Value
            | Request::Left { .. }
            | Request::Outcome { .. } => Reply::ok(Value::Null),
            Request::Immortal => {
                let (addresses, _) = body.as_chunks();
                self.immortals.extend(addresses.iter().copied().map(u32::from_le_bytes));
                Reply::ok(Value::Null)
            }
            Request::Call { .. }
            | Request::Start { .. }
            | Request::Wait { .. }
            | Request::Cancel { .. }
            | Request::Refusal { .. } => Reply::error(&failure("There is no program yet")),
        }
    }

    pub(super) fn take_immortals(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.immortals)
    }
}

/// The fields of a program's answer, with the smallest program.
fn program() -> Reply {
    Reply::ok(json!({
        "source": "1 + 1",
        "globals": "{}",
        "workspace": "/",
        "hasServers": false,
        "maxValue": 1024,
        "maxDepth": 8,
        "grace": 0.0,
        "packages": {},
    }))
}
