//! Messages between a worker and the server about one run.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::operation::{Answer, Failure, Operation};

/// Operations of one run that may wait for their answers. A worker keeps back
/// what is beyond it; the one more is for a call that JavaScript waits for.
pub(crate) const MAX_IN_FLIGHT: usize = 1024;

/// Bytes of one request: the arguments of a command, 1 MiB, are the longest.
pub(crate) const MAX_REQUEST: usize = (1 << 20) + (128 << 10);

/// Pictures of one run: a model looks at no more at once.
pub(crate) const MAX_IMAGES: usize = 20;

/// Bytes of one picture, so that it goes into a frame of any worker ([`MAX_REQUEST`]). A plot of
/// matplotlib has 20 to 200 KiB as PNG, and clients refuse tool results beyond some MiB.
pub(crate) const MAX_IMAGE: usize = 1 << 20;

/// Bytes of all pictures of one run: eight of the largest.
pub(crate) const MAX_IMAGES_BYTES: usize = 8 << 20;

/// Notes on the result of one run, and bytes of each: two lines. More tell a reader nothing new.
pub(crate) const MAX_RESULT_NOTES: usize = 20;
pub(crate) const MAX_RESULT_NOTE: usize = 500;

/// From the server to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ServerMessage {
    /// The one program of this worker. The first message, and sent once.
    Run(Box<Program>),
    /// A piece of the answer to the request with this id, in order. About `left`
    /// bytes will come after it.
    Data { id: u32, left: u64, bytes: ByteBuf },
    /// The answer to [`WorkerMessage::Request`] with the same id.
    Reply { id: u32, result: Result<Answer, Failure> },
    /// Stop now and say where; SIGKILL follows after a grace.
    Stop,
}

/// A program, and its limits that are checked inside the worker. Limits that are measured from
/// outside are not here.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Program {
    /// In the language of the worker's engine.
    pub source: String,
    /// A JSON object whose members become globals.
    pub globals: String,
    /// The working directory at its start.
    pub workspace: String,
    /// Whether MCP servers are configured.
    pub has_servers: bool,
    /// Bytes of output that are kept; the rest is counted and dropped.
    pub max_output: u64,
    /// Bytes of output after which the program is ended.
    pub max_flood: u64,
    /// Bytes of the value's JSON text.
    pub max_value: u32,
    /// Levels of nesting in the value.
    pub max_depth: u32,
    /// Of a program in Python: how long tasks that nobody awaited go on when its value is
    /// reached. The server ends other programs itself.
    pub grace: Duration,
    /// Why there are no packages and no `node:` built-ins, where a program that seems to need
    /// them has a worker without.
    pub without_packages: Option<String>,
    /// Of a program in Python: the packages of PyPI that are allowed. Others that are installed are
    /// hidden from it.
    pub allowed_packages: Vec<String>,
}

/// From a worker to the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum WorkerMessage {
    /// Sealed and waiting for a program.
    Ready,
    /// The program was parsed and starts to run.
    Started,
    /// The program printed this.
    Output { stream: Stream, bytes: ByteBuf },
    /// Output is dropped from here on, because it exceeds the limit.
    OutputFull,
    /// An operation that the broker decides and performs.
    Request { id: u32, operation: Operation },
    /// The program no longer waits for the answer to this request.
    Cancel { id: u32 },
    /// A picture that the program made, in order: PNG, JPEG, GIF or WebP, of at most [`MAX_IMAGE`]
    /// bytes.
    Image { mime_type: String, bytes: ByteBuf },
    /// What a reader of the result must know, such as what was left out of the value.
    Note(String),
    /// The position of the program when its request with this id was denied.
    RefusedAt { id: u32, line: u32, column: u32 },
    /// The program's value, as JSON text, if it has left work behind. That work continues until it
    /// is done or the server sends stop; the outcome follows.
    Value(String),
    /// The end of the run. Nothing follows.
    Outcome(Box<Outcome>),
}

/// The stream that a program printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// How a run ended, as reported by the worker.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// The program's value, as JSON text.
    Value(String),
    /// After [`WorkerMessage::Value`]: the work that the program left behind is done, except this.
    Left(#[serde(deserialize_with = "few_unfinished")] Vec<Unfinished>),
    /// `Deno.exit(code)`.
    Exit(i32),
    /// The program does not parse, or threw.
    Error(Box<ProgramError>),
    /// A limit that the worker itself watches.
    Exceeded { limit: Limit, stack: Option<String> },
    /// The server's [`ServerMessage::Stop`] or signal arrived.
    Stopped { stack: Option<String> },
}

/// Longest list of [`Unfinished`]: more entries tell a reader nothing new.
pub(crate) const MAX_UNFINISHED: usize = 20;

/// Bytes of one description: a tool's name of 128 (MCP), with its server's name.
pub(crate) const MAX_UNFINISHED_TEXT: usize = 200;

/// Work that a program started and did not await.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// In words, such as `setInterval`.
    pub what: String,
    /// Where it was begun, or in Python where it waits, from 1.
    pub line: Option<u32>,
    /// From 1.
    pub column: Option<u32>,
    /// How many of it there are.
    pub count: u32,
}

/// The limits that a worker watches from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Limit {
    Memory,
    Output,
    ValueSize,
    ValueDepth,
}

/// An error of the program, with its position in the code that the user wrote.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProgramError {
    pub kind: ProgramErrorKind,
    pub name: String,
    pub message: String,
    /// From 1.
    pub line: Option<u32>,
    /// From 1.
    pub column: Option<u32>,
    /// The lines around the position, with a marker under it.
    pub frame: Option<String>,
    pub stack: Option<String>,
    /// What caused it and what it holds. A list and not a tree, so that its depth costs its reader
    /// no stack.
    #[serde(deserialize_with = "few")]
    pub related: Vec<RelatedError>,
}

/// Errors below a program's error: an AggregateError of more is a list that nobody reads.
pub(crate) const MAX_RELATED: usize = 32;

/// Levels of them. Chains of causes have two or three.
pub(crate) const MAX_RELATED_DEPTH: usize = 8;

/// The cause of an error, or one that an AggregateError holds.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RelatedError {
    /// The index of the error that it belongs to, which precedes it; none for the program's own.
    pub of: Option<u8>,
    pub is_cause: bool,
    pub name: String,
    pub message: String,
    /// From 1.
    pub line: Option<u32>,
    /// From 1.
    pub column: Option<u32>,
    pub stack: Option<String>,
}

/// At most [`MAX_RELATED`]: an empty error has seven bytes in a frame, and 104 here.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RelatedError>, D::Error> {
    deserializer.deserialize_seq(Few { most: MAX_RELATED, of: PhantomData })
}

/// At most [`MAX_UNFINISHED`]: an empty one has four bytes in a frame, and 48 here.
fn few_unfinished<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Unfinished>, D::Error> {
    deserializer.deserialize_seq(Few { most: MAX_UNFINISHED, of: PhantomData })
}

/// A bounded list from a worker: in memory it is many times as large as its frame.
struct Few<T> {
    most: usize,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {}", self.most)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut few = Vec::new();
        while let Some(item) = items.next_element()? {
            if few.len() == self.most {
                return Err(de::Error::invalid_length(few.len() + 1, &self));
            }
            few.push(item);
        }
        Ok(few)
    }
}

/// What kind of error ended a program.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ProgramErrorKind {
    Syntax,
    #[default]
    Runtime,
    Permission,
}
