//! The command line, as a shell sees it.

mod common;
mod configuration;
mod login;
mod run;
