//! How a program ended, by its own account.

use serde::Deserialize;
use serde_json::Value;

use crate::protocol::{Failure, Limit, Outcome, Program, ProgramError, ProgramErrorKind};

/// As the boot program tells it. The value's text is the frame's bytes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Told {
    Value(Value),
    Exit(i32),
    Exceeded(Exceeded),
    Error(Error),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Exceeded {
    Memory,
    Output,
    ValueSize,
    ValueDepth,
}

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct Error {
    kind: Kind,
    name: String,
    message: String,
    line: Option<u32>,
    column: Option<u32>,
    frame: Option<String>,
    stack: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Syntax,
    #[default]
    Runtime,
    Permission,
}

impl From<Exceeded> for Limit {
    fn from(exceeded: Exceeded) -> Self {
        match exceeded {
            Exceeded::Memory => Self::Memory,
            Exceeded::Output => Self::Output,
            Exceeded::ValueSize => Self::ValueSize,
            Exceeded::ValueDepth => Self::ValueDepth,
        }
    }
}

impl From<Error> for ProgramError {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            Kind::Syntax => ProgramErrorKind::Syntax,
            Kind::Runtime => ProgramErrorKind::Runtime,
            Kind::Permission => ProgramErrorKind::Permission,
        };
        let Error { name, message, line, column, frame, stack, .. } = error;
        Self { kind, name, message, line, column, frame, stack, related: Vec::new() }
    }
}

/// The outcome that a frame tells.
pub(super) fn outcome(told: Value, body: &[u8], program: &Program) -> Result<Outcome, Failure> {
    let wrong = |message: String| Failure {
        class: "TypeError".into(),
        message,
        code: None,
        refused: false,
    };
    let told = serde_json::from_value(told);
    let told = told.map_err(|error| wrong(format!("Not an outcome: {error}")))?;
    Ok(match told {
        Told::Value(_) if body.len() > program.max_value as usize => {
            Outcome::Exceeded { limit: Limit::ValueSize, stack: None }
        }
        Told::Value(_) => {
            let text = std::str::from_utf8(body);
            let text = text.map_err(|error| wrong(format!("The value is not UTF-8: {error}")))?;
            Outcome::Value(text.to_owned())
        }
        Told::Exit(code) => Outcome::Exit(code),
        Told::Exceeded(limit) => Outcome::Exceeded { limit: limit.into(), stack: None },
        Told::Error(error) => Outcome::Error(Box::new(error.into())),
    })
}
