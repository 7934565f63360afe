//! The server on standard input and output, as a client sees it: what it
//! answers, what it leaves behind.

mod calls;
mod concurrency;
mod lines;
mod packages;
mod progress;
mod rmcp_client;
pub mod schema;
mod shutdown;
mod tools;
mod zygote;
