//! How a program ended, by its own account.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::protocol::{
    Failure, Limit, MAX_RELATED, Outcome, Program, ProgramError, ProgramErrorKind, RelatedError,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Exceeded {
    Memory,
    Output,
    ValueSize,
    ValueDepth,
}

/// An error as the boot program tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Error {
    kind: Kind,
    name: String,
    message: String,
    line: Option<u32>,
    column: Option<u32>,
    frame: Option<String>,
    stack: Option<String>,
    related: Vec<Related>,
}

/// What caused an error.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Related {
    of: Option<u8>,
    is_cause: bool,
    name: String,
    message: String,
    line: Option<u32>,
    column: Option<u32>,
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
        let Error { name, message, line, column, frame, stack, related, .. } = error;
        let related = related.into_iter().take(MAX_RELATED).map(RelatedError::from).collect();
        Self { kind, name, message, line, column, frame, stack, related }
    }
}

impl From<Related> for RelatedError {
    fn from(related: Related) -> Self {
        let Related { of, is_cause, name, message, line, column, stack } = related;
        Self { of, is_cause, name, message, line, column, stack }
    }
}

fn wrong(message: String) -> Failure {
    Failure { class: "TypeError".into(), message, code: None, refused: false }
}

fn from<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| wrong(format!("Not an outcome: {error}")))
}

/// The outcome that a frame tells; the text of a value is the frame's bytes.
pub(super) fn outcome(mut told: Value, body: &[u8], program: &Program) -> Result<Outcome, Failure> {
    let mut part = |name| told.get_mut(name).map(Value::take);
    if let Some(code) = part("exit") {
        return Ok(Outcome::Exit(from(code)?));
    }
    if let Some(limit) = part("exceeded") {
        let stack = part("stack").map(from).transpose()?.flatten();
        return Ok(Outcome::Exceeded { limit: from::<Exceeded>(limit)?.into(), stack });
    }
    if let Some(error) = part("error") {
        return Ok(Outcome::Error(Box::new(from::<Error>(error)?.into())));
    }
    if part("value").is_none() {
        return Err(wrong("An outcome is a value, an exit, a limit or an error".into()));
    }
    value(body, program)
}

/// The outcome that a value's text is.
pub(super) fn value(body: &[u8], program: &Program) -> Result<Outcome, Failure> {
    if body.len() > program.max_value as usize {
        return Ok(Outcome::Exceeded { limit: Limit::ValueSize, stack: None });
    }
    let text = std::str::from_utf8(body);
    let text = text.map_err(|error| wrong(format!("The value is not UTF-8: {error}")))?;
    Ok(Outcome::Value(text.to_owned()))
}
