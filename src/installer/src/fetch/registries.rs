//! Which registry has a package, and what it is told: `.npmrc` and npm's environment.

use std::io::Read;
use std::path::{Path, PathBuf};

use deno_npm::resolution::{NpmTrustPolicy, TrustPolicyOptions};
use deno_npm_cache::{get_package_url, maybe_auth_header_value_for_npm_registry};
use deno_npmrc::{NpmRc, NpmRegistryUrl, RegistryConfig, ResolvedNpmRc};
use sys_traits::impls::RealSys;
use url::Url;

use super::http::{Get, shown};
use super::limits::{MAX_PACKED, MAX_PACKUMENT, MAX_TEXT};

/// The scope of JSR's npm layer, as `.npmrc` writes it.
const JSR: &str = "jsr";

/// The registries of an installation.
#[derive(Debug)]
pub(super) struct Registries(ResolvedNpmRc);

impl Registries {
    /// Reads `.npmrc` (this file, or npm's own) and the environment.
    pub(super) fn read(npmrc: Option<&Path>) -> Result<Self, String> {
        let npm = registry_of(&NpmRegistryUrl::for_npm(&RealSys), "NPM_CONFIG_REGISTRY")?;
        let jsr = registry_of(&NpmRegistryUrl::for_jsr(&RealSys), "JSR_NPM_URL")?;
        let text = npmrc_text(npmrc)?;
        let mut npmrc = NpmRc::parse(&RealSys, &text)
            .map_err(|error| format!(".npmrc cannot be read: {error}"))?;
        if jsr.from_env || !npmrc.scope_registries.contains_key(JSR) {
            npmrc.scope_registries.insert(JSR.to_owned(), jsr.url.to_string());
        }
        let resolved = npmrc
            .as_resolved(&npm)
            .map_err(|error| format!(".npmrc names a registry that is not a URL: {error}"))?;
        Ok(Self(resolved))
    }

    /// The request for what a registry says of a package.
    pub(super) fn packument(&self, name: &str, etag: Option<String>) -> Result<Get, String> {
        let auth = authorization(self.0.get_registry_config(name))?;
        let url = self.packument_url(name);
        Ok(Get { url, auth, etag, limit: MAX_PACKUMENT, may_move: false })
    }

    pub(super) fn packument_url(&self, name: &str) -> Url {
        get_package_url(&self.0, name)
    }

    /// The request for an archive, which lies in a registry that is known here.
    pub(super) fn tarball(&self, url: &str, name: &str) -> Result<Get, String> {
        let url = Url::parse(url).map_err(|_| format!("its tarball has no valid URL: {url:?}"))?;
        let url = self.0.replace_tarball_url(url, name);
        let config = self.0.tarball_config_for_package(&url, name);
        let registry = self.0.get_registry_url(name);
        if !matches!(url.scheme(), "http" | "https")
            || (config.is_none() && !self.is_known(&url) && url.origin() != registry.origin())
        {
            return Err(format!(
                "its tarball is at {}, which is not the host of its registry {}. If it is \
                 meant, name the host in .npmrc",
                shown(&url),
                shown(registry)
            ));
        }
        // `.npmrc` has tokens by host and path, whatever the scheme.
        if url.scheme() == "http" && registry.scheme() != "http" && !self.is_known(&url) {
            return Err(format!(
                "its tarball is at {}, which has no TLS as its registry {} has: a token would be \
                 sent in clear text. If it is meant, name the host with http:// in .npmrc, for \
                 example @other:registry=http://npm.example.com/",
                shown(&url),
                shown(registry)
            ));
        }
        let auth = config.map(|config| authorization(config)).transpose()?.flatten();
        Ok(Get { url, auth, etag: None, limit: MAX_PACKED, may_move: true })
    }

    fn is_known(&self, url: &Url) -> bool {
        let known = self.0.get_all_known_registries_urls();
        known.iter().any(|registry| registry.origin() == url.origin())
    }

    /// Versions with weaker evidence of where they come from than earlier ones are not
    /// taken; `.npmrc` has the exceptions.
    pub(super) fn trust_policy(&self, now: chrono::DateTime<chrono::Utc>) -> TrustPolicyOptions {
        let minutes = self.0.trust_policy_ignore_after_minutes;
        let after = minutes.and_then(|minutes| i64::try_from(minutes).ok());
        let ignored = after.and_then(chrono::TimeDelta::try_minutes);
        let exclude = self.0.trust_policy_exclude.iter().map(|name| name.to_ascii_lowercase());
        TrustPolicyOptions {
            policy: NpmTrustPolicy::NoDowngrade,
            ignore_after_cutoff: ignored.and_then(|ignored| now.checked_sub_signed(ignored)),
            exclude: std::sync::Arc::new(exclude.collect()),
        }
    }
}

/// deno_npmrc takes the public registry for a variable that is not a URL.
fn registry_of(registry: &NpmRegistryUrl, variable: &str) -> Result<NpmRegistryUrl, String> {
    if std::env::var_os(variable).is_some() && !registry.from_env {
        return Err(format!(
            "{variable} is not a URL, for example {variable}=https://npm.example.com/"
        ));
    }
    Ok(registry.clone())
}

fn authorization(config: &RegistryConfig) -> Result<Option<String>, String> {
    maybe_auth_header_value_for_npm_registry(config).map_err(|error| format!(".npmrc: {error}"))
}

fn npmrc_text(named: Option<&Path>) -> Result<String, String> {
    let file = match named {
        Some(file) => file.to_owned(),
        None => match own_npmrc() {
            Some(file) => file,
            None => return Ok(String::new()),
        },
    };
    let mut text = String::new();
    std::fs::File::open(&file)
        .and_then(|opened| opened.take(MAX_TEXT).read_to_string(&mut text))
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(text)
}

/// `~/.npmrc`, if there is one.
fn own_npmrc() -> Option<PathBuf> {
    let file = PathBuf::from(std::env::var_os("HOME")?).join(".npmrc");
    file.exists().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Registries {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("it can be written");
        Registries::read(Some(file.path())).expect("it is valid")
    }

    const CORP: &str = "@corp:registry=https://npm.corp/\n//npm.corp/:_authToken=secret\n";

    #[test]
    fn a_token_never_goes_out_without_tls_for_a_registry_that_has_it() {
        let registries = read(CORP);
        let error = registries.tarball("http://npm.corp/a.tgz", "@corp/a").expect_err("no TLS");
        assert!(error.contains("http://npm.corp/a.tgz, which has no TLS"), "{error}");
        let get = registries.tarball("https://npm.corp/a.tgz", "@corp/a").expect("a request");
        assert_eq!(get.auth.as_deref(), Some("Bearer secret"));
    }

    #[test]
    fn a_host_without_tls_that_npmrc_names_is_asked() {
        let registries = read(&format!("{CORP}@other:registry=http://npm.corp/\n"));
        assert!(registries.tarball("http://npm.corp/a.tgz", "@corp/a").is_ok());
        let registries = read("@corp:registry=http://npm.corp/\n//npm.corp/:_authToken=secret\n");
        let get = registries.tarball("http://npm.corp/a.tgz", "@corp/a").expect("a request");
        assert_eq!(get.auth.as_deref(), Some("Bearer secret"));
    }
}
