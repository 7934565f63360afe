//! How tools of other MCP servers are found.

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, at};
use crate::embedding::Method;

/// What begins the name of a variable.
const VARIABLE: &str = "env:";

/// Bytes of a model's name: the longest known ones have 60.
const MAX_MODEL: usize = 256;

group! {
    /// How tools of other MCP servers are found.
    Search as search {
        /// Whether searches learn from use within conversations. Yes.
        learn, with_learn: bool;
    } and {
        method: Option<String>;
        model: Option<String>;
        key: Option<String>;
    }
}

impl Config {
    /// What ranks tools beside their words: `lexical`, `table`, `model`, `model:DIRECTORY`, or the
    /// URL of an embeddings endpoint. `table`.
    pub fn search(&self) -> &str {
        self.search.method.as_deref().unwrap_or("table")
    }

    /// Sets [`Self::search`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn with_search(mut self, method: &str) -> Result<Self, String> {
        self.search.method = Some(checked(method)?);
        Ok(self)
    }

    /// The same, as it was checked when it was set.
    pub(crate) fn search_method(&self) -> Method {
        Method::parse(self.search()).unwrap_or(Method::Table)
    }

    /// The model that an embeddings endpoint is asked for.
    pub(crate) fn search_model(&self) -> Option<&str> {
        self.search.model.as_deref()
    }

    /// The variable of the environment that has the key of an embeddings endpoint.
    pub(crate) fn search_key_variable(&self) -> Option<&str> {
        self.search.key.as_deref().and_then(|key| key.strip_prefix(VARIABLE))
    }
}

entries! {
    SEARCH = "MCP_CONDUCTOR_SEARCH" as "search.method" {
        meaning: "What ranks tools in `search_tools` beside their words: `lexical`: nothing; \
                  `table`: the vectors that are built in; `model`: what `mcp-conductor install \
                  search-model` has installed; `model:DIRECTORY`; or the URL of an embeddings \
                  endpoint with OpenAI's interface, which is sent descriptions and queries",
        example: "model",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Means("`\"table\"`"),
        form: Form::Text { check: checked, at: at!(search.method) },
    }
    SEARCH_MODEL = "MCP_CONDUCTOR_SEARCH_MODEL" as "search.model" {
        meaning: "The model that an embeddings endpoint is asked for",
        example: "text-embedding-3-large",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Means("`\"text-embedding-3-small\"`"),
        form: Form::Text { check: model, at: at!(search.model) },
    }
    SEARCH_KEY = "MCP_CONDUCTOR_SEARCH_KEY" as "search.key" {
        meaning: "`env:` and the variable that has the key of an embeddings endpoint; programs \
                  cannot read it",
        example: "env:OPENAI_API_KEY",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Unset,
        form: Form::Text { check: key, at: at!(search.key) },
    }
    LEARN = "MCP_CONDUCTOR_LEARN" {
        meaning: "Whether searches learn from use: `on`: which tools were called after which \
                  searches of a conversation is kept in the store, for each principal apart; \
                  `off`: nothing is kept, and what is kept is not read",
        example: "off",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Text("on"),
        form: Form::Choice {
            of: &["on", "off"],
            get: |config| if config.search.learn { "on" } else { "off" },
            set: |config, word| config.search.learn = word == "on",
        },
    }
}

fn checked(text: &str) -> Result<String, String> {
    Method::parse(text).map(|_| text.to_owned())
}

fn model(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_MODEL || text.contains(char::is_control) {
        return Err(format!("not a string of 1 to {MAX_MODEL} bytes without control characters"));
    }
    Ok(text.to_owned())
}

/// The text is not repeated: it may be the key itself.
fn key(text: &str) -> Result<String, String> {
    let name = text.strip_prefix(VARIABLE).unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_usable = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(is_name);
    match is_usable {
        true => Ok(text.to_owned()),
        false => Err("not env: and the name of a variable, so that no key is in a file".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_and_never_written() {
        assert!(key("env:OPENAI_API_KEY").is_ok());
        for text in ["sk-secret", "env:", "env:1A", "env:A B", "OPENAI_API_KEY"] {
            let problem = key(text).unwrap_err();
            assert!(!problem.contains("secret"), "{text}");
        }
    }

    #[test]
    fn without_a_setting_the_table_ranks() {
        assert_eq!(Config::default().search_method(), Method::Table);
        let config = Config::default().with_search("model:/srv/model").unwrap();
        assert_eq!(config.search_method(), Method::Directory("/srv/model".into()));
        assert!(Config::default().with_search("semantic").is_err());
    }
}
