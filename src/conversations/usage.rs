//! What one call has used, for who learns from it: searches that led to calls, and the tools
//! that were called together.

/// Pairs of one call: as many searches as are remembered.
const MAX_PAIRS: usize = 10;

/// Calls that one search may have led to: few tasks take more tools, and a program that calls
/// all that it finds says nothing of them.
const MAX_OF_SEARCH: usize = 3;

/// Tools that count as called together.
const MAX_TOGETHER: usize = 8;

/// A tool by the names of its server and its own.
pub(crate) type ToolName = (String, String);

/// A search that led to the call of one of its results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub query: String,
    pub tool: ToolName,
}

/// What one call has used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub pairs: Vec<Pair>,
    /// Each once, in the order of their first calls.
    pub called: Vec<ToolName>,
}

impl Usage {
    /// Whether there is nothing to learn from: one tool alone was called, which nobody searched.
    pub(crate) fn says_nothing(&self) -> bool {
        self.pairs.is_empty() && self.called.len() < 2
    }

    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let of_tool = |(server, tool): &ToolName| size_of::<ToolName>() + server.len() + tool.len();
        let of_pair = |pair: &Pair| size_of::<String>() + pair.query.len() + of_tool(&pair.tool);
        self.pairs.iter().map(of_pair).chain(self.called.iter().map(of_tool)).sum()
    }

    pub(super) fn call(&mut self, tool: &ToolName) {
        if self.called.len() < MAX_TOGETHER && !self.called.contains(tool) {
            self.called.push(tool.clone());
        }
    }

    pub(super) fn pair(&mut self, query: String, tool: ToolName) {
        let of_search = self.pairs.iter().filter(|pair| pair.query == query).count();
        if self.pairs.len() < MAX_PAIRS && of_search < MAX_OF_SEARCH {
            self.pairs.push(Pair { query, tool });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(at: usize) -> ToolName {
        ("s".to_owned(), at.to_string())
    }

    #[test]
    fn a_program_that_calls_all_that_it_finds_teaches_little() {
        let mut usage = Usage::default();
        for at in 0..100 {
            usage.call(&tool(at));
            usage.pair("everything".to_owned(), tool(at));
        }
        assert_eq!((usage.called.len(), usage.pairs.len()), (MAX_TOGETHER, MAX_OF_SEARCH));
        (0..100).for_each(|at| usage.pair(at.to_string(), tool(at)));
        assert_eq!(usage.pairs.len(), MAX_PAIRS);
    }

    #[test]
    fn a_tool_that_is_called_alone_and_was_not_searched_says_nothing() {
        let mut usage = Usage::default();
        usage.call(&tool(1));
        usage.call(&tool(1));
        assert!(usage.says_nothing());
        usage.call(&tool(2));
        assert!(!usage.says_nothing());
    }
}
