//! What looks like a secret in the file itself.

use url::Url;

use super::super::credentials::name_length;
use super::names::MAX_QUOTED;
use crate::text::clip::head;

/// Stands before the name of a variable of the environment.
pub(super) const VARIABLE: &str = "env:";

/// Beginnings of what services give out as keys and tokens: GitHub, GitLab, OpenAI and
/// Anthropic, Slack, Amazon, Google, npm, Stripe, Hugging Face; and of a JSON Web Token.
const BEGINNINGS_OF_KEYS: [&str; 20] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "sk-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "npm_",
    "sk_live_",
    "rk_live_",
    "hf_",
    "eyJ",
    "ya29.",
];

/// What the name of a secret has in it, and how one ends that only says where it is.
const WORDS_OF_SECRETS: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "private_key",
    "credential",
    "authorization",
    "cookie",
];
const ENDS_OF_PLACES: [&str; 7] = ["_file", "_path", "_dir", "_url", "_uri", "_name", "_id"];

/// Shorter values are words such as "true" or "none".
const MIN_SECRET: usize = 8;

/// Whether a value that the file itself has looks like a secret.
pub(super) fn is_secret(name: &str, text: &str) -> bool {
    if text.len() < MIN_SECRET
        || text.contains("${")
        || text.contains("{env:")
        || text.split(' ').any(is_reference)
    {
        return false;
    }
    let name = head(name, MAX_QUOTED).to_lowercase();
    let is_named = WORDS_OF_SECRETS.iter().any(|word| name.contains(word))
        && !ENDS_OF_PLACES.iter().any(|end| name.ends_with(end));
    let is_key = |word: &str| {
        word.len() >= MIN_SECRET && BEGINNINGS_OF_KEYS.iter().any(|key| word.starts_with(key))
    };
    let has_password = Url::parse(text).is_ok_and(|url| url.password().is_some());
    is_named || has_password || text.split(' ').any(is_key)
}

fn is_reference(word: &str) -> bool {
    word.strip_prefix(VARIABLE).is_some_and(|name| name_length(name) > 0)
}

pub(super) fn has_secret_query(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|pair| pair.split_once('=')).any(|(n, v)| is_secret(n, v))
}
