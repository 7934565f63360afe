//! The command line, as a shell sees it; and what is around the program, which is kept in
//! agreement with it.

mod config_file;
mod configuration;
mod install;
mod login;
mod logs;
mod packages;
mod python;
mod run;
mod servers_file;
mod store;

#[path = "../support/mod.rs"]
mod support;
