//! Names that users type as they are: they come first, whatever else is like them.

/// What counts beside a score of 2 at most: a tool's name, its server's, and the beginning
/// of a tool's name that is written as an identifier. Each is above those after it.
const TOOL: f32 = 8.0;
const SERVER: f32 = 4.0;
const BEGINNING: f32 = 2.0;

/// The names of tools and their servers.
pub(crate) struct Names {
    /// Server and tool.
    keys: Vec<(Box<str>, Box<str>)>,
    /// The same without signs and in lower case.
    plain: Vec<(Box<str>, Box<str>)>,
    /// Places in the order of the keys.
    ordered: Vec<u32>,
}

/// A query that may be a name.
pub(crate) struct Exact {
    plain: String,
    /// One word that is written as names in programs are.
    is_identifier: bool,
}

impl Exact {
    pub(crate) fn new(query: &str) -> Self {
        let is_one = !query.contains(char::is_whitespace);
        let inner = query.get(1..).unwrap_or_default();
        let is_identifier =
            is_one && inner.contains(|c: char| "_-.".contains(c) || c.is_uppercase());
        Self { plain: plain(query.strip_prefix("mcp__").unwrap_or(query)), is_identifier }
    }
}

impl Names {
    pub(crate) fn new<'a>(names: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let keys: Vec<(Box<str>, Box<str>)> =
            names.map(|(server, tool)| (server.into(), tool.into())).collect();
        let both =
            |(server, tool): &(Box<str>, Box<str>)| (plain(server).into(), plain(tool).into());
        let mut ordered: Vec<u32> = (0..keys.len() as u32).collect();
        ordered.sort_by(|a, b| keys[*a as usize].cmp(&keys[*b as usize]));
        Self { plain: keys.iter().map(both).collect(), keys, ordered }
    }

    pub(crate) fn bytes(&self) -> usize {
        let of = |(server, tool): &(Box<str>, Box<str>)| {
            server.len() + tool.len() + size_of::<(Box<str>, Box<str>)>()
        };
        let names: usize = self.keys.iter().chain(&self.plain).map(of).sum();
        names + self.ordered.len() * size_of::<u32>()
    }

    /// Server and tool.
    pub(crate) fn key(&self, place: usize) -> (&str, &str) {
        let (server, tool) = &self.keys[place];
        (server, tool)
    }

    /// The place of a server's tool.
    pub(crate) fn place(&self, key: (&str, &str)) -> Option<usize> {
        let found = self.ordered.binary_search_by(|place| self.key(*place as usize).cmp(&key));
        found.ok().map(|at| self.ordered[at] as usize)
    }

    /// What a name counts for a query that is it or its beginning.
    pub(crate) fn score(&self, place: usize, query: &Exact) -> f32 {
        let (server, tool) = &self.plain[place];
        let query_is = |name: &str| !name.is_empty() && *query.plain == *name;
        let after_server = query.plain.strip_prefix(&**server);
        if query_is(tool) || !tool.is_empty() && after_server == Some(tool) {
            TOOL
        } else if query_is(server) {
            SERVER
        } else if query.is_identifier && !query.plain.is_empty() && tool.starts_with(&query.plain) {
            BEGINNING
        } else {
            0.0
        }
    }
}

/// Letters and digits of a name, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(query: &str, server: &str, tool: &str) -> f32 {
        Names::new([(server, tool)].into_iter()).score(0, &Exact::new(query))
    }

    #[test]
    fn a_tool_is_known_by_its_name_however_it_is_written() {
        for query in [
            "create_issue",
            "createIssue",
            "create issue",
            "github.create_issue",
            "GitHub create issue",
        ] {
            assert_eq!(score(query, "github", "create_issue"), TOOL, "{query}");
        }
        assert_eq!(score("mcp__github__create_issue", "github", "create_issue"), TOOL);
    }

    #[test]
    fn a_server_is_known_by_its_name() {
        assert_eq!(score("GitHub", "github", "create_issue"), SERVER);
        assert_eq!(score("brave search", "brave-search", "web"), SERVER);
    }

    #[test]
    fn the_beginning_of_a_name_counts_if_it_is_written_as_one() {
        assert_eq!(score("create_is", "github", "create_issue"), BEGINNING);
        assert_eq!(score("create", "github", "create_issue"), 0.0);
        assert_eq!(score("_", "github", "create_issue"), 0.0);
    }

    #[test]
    fn names_without_letters_are_no_ones() {
        assert_eq!(score("?!", "-", "--"), 0.0);
    }
}
