//! `mcp-conductor install`: the allowed packages and other components, from the shell.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use mcp_conductor::{
    ComponentSource, Config, InstallError, InstallOptions, Installation, install_component,
    install_packages,
};

use super::{print, unusable};

/// What is installed if nothing is named.
const PACKAGES: &str = "packages";

/// Exit code while another installation is at work (sysexits.h: EX_TEMPFAIL).
const EXIT_LOCKED: u8 = 75;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

#[derive(Debug, Args)]
pub(super) struct InstallArguments {
    /// What to install: packages, or the name of a component: python, checker, or search-model.
    #[arg(default_value = PACKAGES)]
    what: String,
    /// Fail if the lock file would change.
    #[arg(long, conflicts_with = "update")]
    frozen: bool,
    /// Use what was downloaded before, and no network.
    #[arg(long)]
    offline: bool,
    /// Look for newer versions within the allowed ranges, instead of those of the lock file.
    #[arg(long)]
    update: bool,
    /// The directory to install in; instead of MCP_CONDUCTOR_INSTALL_DIR.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Take a component from this file instead of its registry; its hash must be right.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The age that a version must have, such as 3d, 12h, 90m or 0; instead of
    /// MCP_CONDUCTOR_PACKAGES_MIN_AGE.
    #[arg(long, value_name = "AGE", value_parser = age)]
    min_age: Option<Duration>,
    /// Print what was installed as JSON.
    #[arg(long)]
    json: bool,
}

/// A number of days, hours, minutes or seconds.
fn age(text: &str) -> Result<Duration, String> {
    let units = [('d', DAY), ('h', HOUR), ('m', MINUTE), ('s', SECOND)];
    let unit = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds)));
    let number = match unit {
        Some((number, seconds)) => number.parse().ok().and_then(|n: u64| n.checked_mul(seconds)),
        None if text == "0" => Some(0),
        None => None,
    };
    let seconds = number.ok_or("an age is a number with a unit, such as 3d or 12h")?;
    Ok(Duration::from_secs(seconds))
}

pub(super) async fn install(config: Config, arguments: InstallArguments) -> ExitCode {
    let config = match &arguments.dir {
        // What is installed knows its own path.
        Some(directory) => match std::path::absolute(directory) {
            Ok(directory) => config.with_install_dir(directory),
            Err(error) => return unusable(&format!("{}: {error}", directory.display())),
        },
        None => config,
    };
    let work = async {
        match arguments.what == PACKAGES {
            true => packages(config, &arguments).await,
            false => component(config, &arguments).await,
        }
    };
    tokio::select! {
        code = work => code,
        // Dropping it ends what it has started; what was installed before is as it was.
        code = super::run::stopped() => code,
    }
}

async fn packages(config: Config, arguments: &InstallArguments) -> ExitCode {
    if arguments.from.is_some() {
        return unusable("--from is for a component: packages come from their registries");
    }
    let mut options = InstallOptions::default();
    options.frozen = arguments.frozen;
    options.offline = arguments.offline;
    options.update = arguments.update;
    options.min_age = arguments.min_age;
    match install_packages(config, options).await {
        Ok(installation) => report(&installation, arguments.json),
        Err(error) => failed(&error),
    }
}

fn report(installation: &Installation, json: bool) -> ExitCode {
    if json {
        let text = serde_json::to_string_pretty(installation);
        print(&format!("{}\n", text.expect("strings and numbers serialize")));
    } else {
        print(&installation.to_string());
    }
    if installation.is_usable() {
        return ExitCode::SUCCESS;
    }
    unusable("none of the allowed packages can be imported");
    ExitCode::FAILURE
}

async fn component(config: Config, arguments: &InstallArguments) -> ExitCode {
    if arguments.frozen || arguments.update || arguments.min_age.is_some() {
        return unusable(
            "--frozen, --update and --min-age are for packages: a component is pinned",
        );
    }
    let source = match &arguments.from {
        Some(file) => ComponentSource::File(file.clone()),
        None if arguments.offline => {
            return unusable("a component is downloaded: offline, name its file with --from FILE");
        }
        None => ComponentSource::Url,
    };
    match install_component(config, arguments.what.clone(), source).await {
        Ok(installed) if arguments.json => {
            let text = serde_json::to_string_pretty(&installed);
            print(&format!("{}\n", text.expect("strings and numbers serialize")));
            ExitCode::SUCCESS
        }
        Ok(installed) => {
            print(&installed.to_string());
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &InstallError) -> ExitCode {
    unusable(&error.to_string());
    match error {
        InstallError::Locked { .. } => ExitCode::from(EXIT_LOCKED),
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_a_unit() {
        for (text, seconds) in
            [("0", 0), ("3d", 259_200), ("12h", 43_200), ("90m", 5400), ("1s", 1)]
        {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "3", "d", "-1d", "1.5d", "99999999999999999999d", "3w"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
