//! The command `bundle`, over made-up packages.

mod docs;
mod escapes;
mod modules;
mod packages;
