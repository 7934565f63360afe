//! The tools of one server, as it lists them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::tool::Tool;
use super::tool_info::ToolInfo;
use super::view::Views;
use crate::memory::{Account, Charge, NoMemory};
use crate::policy::ServerToolRules;

/// Tools of one server that are known. A model cannot choose among more.
const MAX_TOOLS: usize = 10_000;

/// Who provides tools: one for each server of the configuration, for as long as its
/// entry there stays as it is.
pub(crate) struct Provider {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// The administrator's, for its tools.
    pub rules: ServerToolRules,
    /// What may be kept in memory of what it says.
    pub memory: Account,
}

/// The tools of one server, in its own order.
#[derive(Default)]
pub(crate) struct Catalog {
    pub tools: Vec<Tool>,
    /// Names to places.
    pub by_name: HashMap<String, usize>,
    pub instructions: Option<String>,
    /// For as long as it is kept.
    charge: Charge,
    /// What runs may see of it.
    pub(super) views: Views,
}

impl Catalog {
    /// Reads the answer to `tools/list`. What its memory was charged for becomes what is
    /// kept of it.
    ///
    /// # Errors
    /// There is no memory for all of it.
    pub(crate) fn read(
        provider: &Provider,
        mut listed: Value,
        mut of_list: Charge,
        instructions: Option<String>,
    ) -> Result<(Self, LeftOut), NoMemory> {
        let mut catalog = Self { instructions, ..Self::default() };
        let tools = listed["tools"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let mut left_out =
            LeftOut { beyond: tools.len().saturating_sub(MAX_TOOLS), ..LeftOut::default() };
        for tool in tools.into_iter().take(MAX_TOOLS) {
            let Some(info) = ToolInfo::read(&provider.name, tool) else {
                left_out.nameless += 1;
                continue;
            };
            if catalog.by_name.contains_key(&info.name) {
                left_out.twice.get_or_insert(info.name);
                left_out.doubles += 1;
                continue;
            }
            let bytes = info.bytes();
            of_list.shrink_to(of_list.bytes().saturating_sub(bytes));
            catalog.charge.merge(provider.memory.try_charge(bytes)?);
            catalog.by_name.insert(info.name.clone(), catalog.tools.len());
            catalog.tools.push(Tool::new(info));
        }
        Ok((catalog, left_out))
    }
}

/// What of a list is not used: said once for a list, which may have any number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    nameless: usize,
    doubles: usize,
    /// The first name that is given twice.
    twice: Option<String>,
    beyond: usize,
}

impl LeftOut {
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tools are left out:")?;
        if self.nameless > 0 {
            write!(f, " {} without a usable name", self.nameless)?;
        }
        if let Some(name) = &self.twice {
            write!(f, " {} whose names are already taken, such as \"{name}\"", self.doubles)?;
        }
        if self.beyond > 0 {
            write!(f, " {} beyond the first {MAX_TOOLS}", self.beyond)?;
        }
        Ok(())
    }
}
