//! `mcp-conductor install`, and what a program imports of it: packages of a registry on
//! loopback, fetched, bundled, tried and made current by the real programs.

mod activation;
mod corpus;
mod hostile;
mod installing;
mod pypi;
mod seal;
mod store;
