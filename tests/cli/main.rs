//! The command line, as a shell sees it.

mod common;
mod config_file;
mod configuration;
mod login;
mod logs;
mod run;
mod servers_file;
