//! A package's archive in npm's registry, as `.npmrc` and npm's environment name that. Registries
//! have archives where npm's own has them, so that what a registry says of a package, 10 MB of
//! `typescript`, need not be asked for.

use std::io::Read;
use std::path::PathBuf;

use url::Url;

use super::located::Located;
use crate::config::Config;

/// npm's own registry.
const REGISTRY: &str = "https://registry.npmjs.org/";

/// The variable of npm's that names another, as `mcp-conductor install packages` reads it.
const VARIABLE: &str = "NPM_CONFIG_REGISTRY";

/// Bytes of `.npmrc`: a hundred times what people have in it.
const MAX_NPMRC: u64 = 1 << 20;

/// Where the archive of a package is, and what its registry is told.
///
/// # Errors
/// `.npmrc` cannot be read, or what it names is not a URL.
pub(super) fn archive(config: &Config, package: &str, version: &str) -> Result<Located, String> {
    let npmrc = Npmrc(text(config)?);
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let registry = npmrc.registry(&variable)?;
    let file = format!("{package}/-/{package}-{version}.tgz");
    let url = registry.join(&file).map_err(|error| error.to_string())?;
    Ok(Located { authorization: npmrc.authorization(&registry, &variable), url })
}

fn text(config: &Config) -> Result<String, String> {
    let own = || {
        let file = PathBuf::from(std::env::var_os("HOME")?).join(".npmrc");
        file.exists().then_some(file)
    };
    let Some(file) = config.npmrc().map(PathBuf::from).or_else(own) else {
        return Ok(String::new());
    };
    let mut text = String::new();
    std::fs::File::open(&file)
        .and_then(|opened| opened.take(MAX_NPMRC).read_to_string(&mut text))
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(text)
}

/// What reads a variable of the environment.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The text of `.npmrc`.
struct Npmrc(String);

impl Npmrc {
    /// The value of a key, with variables in it.
    fn value(&self, key: &str, variable: Variables<'_>) -> Option<String> {
        let lines = self.0.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
        let pairs = lines.filter_map(|line| line.split_once('='));
        let values = pairs.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim());
        values.last().map(|value| expanded(value.trim_matches('"'), variable))
    }

    fn registry(&self, variable: Variables<'_>) -> Result<Url, String> {
        let named = variable(VARIABLE).map(|text| (VARIABLE, text));
        let named = named.or_else(|| Some((".npmrc", self.value("registry", variable)?)));
        let (place, mut text) = named.unwrap_or(("", REGISTRY.to_owned()));
        if !text.ends_with('/') {
            text.push('/');
        }
        // The text is not repeated: it may have a password.
        let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
        url.ok_or_else(|| {
            format!("{place} names a registry that is not an http or https URL, such as {REGISTRY}")
        })
    }

    /// The token of a registry: npm has them by host and path.
    fn authorization(&self, registry: &Url, variable: Variables<'_>) -> Option<String> {
        let host = registry.host_str()?;
        let port = registry.port().map(|port| format!(":{port}")).unwrap_or_default();
        let mut path = registry.path().trim_end_matches('/');
        loop {
            let place = format!("//{host}{port}{path}/");
            let value = |key: &str| self.value(&format!("{place}:{key}"), variable);
            if let Some(token) = value("_authToken") {
                return Some(format!("Bearer {token}"));
            }
            if let Some(auth) = value("_auth") {
                return Some(format!("Basic {auth}"));
            }
            path = &path[..path.rfind('/')?];
        }
    }
}

/// A value with `${NAME}` as the environment has it; as it is, where that has no such name.
fn expanded(value: &str, variable: Variables<'_>) -> String {
    let mut written = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        written.push_str(before);
        written.push_str(&variable(name).unwrap_or_else(|| format!("${{{name}}}")));
        rest = behind;
    }
    written + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn without_settings_npm_s_own_registry_is_asked_without_a_token() {
        let npmrc = Npmrc(String::new());
        let registry = npmrc.registry(&nothing).unwrap();
        assert_eq!(registry.as_str(), REGISTRY);
        assert_eq!(npmrc.authorization(&registry, &nothing), None);
    }

    #[test]
    fn a_registry_of_npmrc_is_told_its_own_token() {
        let text = "# registry=https://no.example/\nregistry = https://npm.corp/api/npm\n\
                    //npm.corp/api/npm/:_authToken=${TOKEN}\n//other.example/:_authToken=other\n";
        let npmrc = Npmrc(text.to_owned());
        let variable = |name: &str| (name == "TOKEN").then(|| "secret".to_owned());
        let registry = npmrc.registry(&variable).unwrap();
        assert_eq!(registry.as_str(), "https://npm.corp/api/npm/");
        let told = npmrc.authorization(&registry, &variable);
        assert_eq!(told.as_deref(), Some("Bearer secret"));
    }

    #[test]
    fn a_token_of_a_host_is_for_all_its_paths_and_of_another_host_for_none() {
        let npmrc = Npmrc("//npm.corp:8443/:_auth=YTpi\n".to_owned());
        let url = |text: &str| Url::parse(text).unwrap();
        let told = |text: &str| npmrc.authorization(&url(text), &nothing);
        assert_eq!(told("https://npm.corp:8443/a/b/").as_deref(), Some("Basic YTpi"));
        assert_eq!(told("https://npm.corp/a/b/"), None);
    }

    #[test]
    fn the_environment_takes_precedence_and_what_is_no_url_is_not_repeated() {
        let npmrc = Npmrc("registry=https://npm.corp/\n".to_owned());
        let variable = |name: &str| (name == VARIABLE).then(|| "me:secret@host".to_owned());
        let error = npmrc.registry(&variable).unwrap_err();
        assert!(error.starts_with(VARIABLE) && !error.contains("secret"), "{error}");
    }
}
