//! What programs that are written for Node reach: files, requests and commands, by the
//! same grants as Deno's own.

mod commands;
mod files;
mod http;

/// The modules that these programs use, and the short way to an error's parts.
const NODE: &str = r#"
    const fs = require("node:fs"), fsp = require("node:fs/promises"), http = require("node:http");
    const failure = async (action: () => unknown) => {
      try { await action(); return "nothing was thrown"; }
      catch (e: any) { return `${e.code} ${e.message}`; }
    };
"#;
