//! What is known of the tools of other servers: their lists, schemas and names, the
//! TypeScript that declares them, how Python calls them, the check of a call's arguments, and search. It knows
//! no connection, and trusts nothing that a server says.
//!
//! ```text
//! tools/list → Catalog (one server's) → Seen (by one run) → declarations, module, samples
//!                                     → Index (all servers') → Found
//! ```

mod arguments;
mod checked;
mod declarations;
mod dialects;
mod identifiers;
mod index;
mod integers;
mod list;
mod misspelt;
mod seen;
mod signatures;
mod tool;
mod tool_info;
mod tool_json;
mod view;
mod work;

pub(crate) use checked::{Mentioned, checked_module};
pub(crate) use declarations::module_declaration;
pub(crate) use identifiers::{exports, string_exports};
pub(crate) use index::{Found, Indexed, KeptIndex};
pub(crate) use list::{Catalog, Provider};
pub(crate) use misspelt::{Had, Missing, WITHIN, did_you_mean};
pub(crate) use seen::Seen;
pub(crate) use signatures::{python_sample, python_signatures};
pub(crate) use tool::{MAX_TOOL_NAME, Tool};
pub(crate) use tool_info::{ToolInfo, show_texts};
pub(crate) use tool_json::{qualified_name, to_found};
pub(crate) use work::{GoOn, Work};
