//! The administrator's grants. Policy decides and never acts; what it allows, it returns as a type
//! that only it can make: [`AllowedPath`],
//! [`AllowedUrl`], [`AllowedAddress`], [`AllowedCommand`], [`AllowedVariable`],
//! [`AllowedModule`].
//!
//! Why not `deno_permissions`, whose flags and words these are: it decides on the
//! names of files, which can mean something else by the time they are opened; it
//! grants loopback and metadata addresses with every `allow-net`; its answer to
//! what it does not know is a prompt.

mod closed;
mod denied;
mod env;
mod grants;
mod import;
#[cfg(test)]
mod installed_tests;
mod mounts;
mod net;
mod paths;
#[cfg(test)]
mod paths_fuzz_tests;
mod run;
mod tools;
mod withheld;

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub(crate) use closed::{FileId, Lineage, Moved};
pub(crate) use denied::{Denied, Permission};
pub(crate) use env::EnvRules;
pub(crate) use grants::{Grants, Scope, expand_path, normalize};
pub(crate) use import::{AllowedModule, AllowedPackage};
pub(crate) use net::{AllowedAddress, AllowedUrl, NetRules, UrlRefusal, parse_host};
pub(crate) use paths::{AllowedPath, MAX_PATH_BYTES, PathRefusal, PathRules, is_plain_name};
pub(crate) use run::{AllowedCommand, RunRules};
pub(crate) use tools::{RunTools, ServerToolRules, allow_tool, is_visible};
pub(crate) use withheld::Withheld;

use crate::packages::allowed::AllowedPackages;
use crate::protocol::PermissionState;

/// A variable of the environment that a program may see and set.
#[derive(Debug, Clone)]
pub(crate) struct AllowedVariable(String);

impl AllowedVariable {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

/// In the directory of what is installed: the files of packages, by generation.
const GENERATIONS: &str = "packages/generations";

/// What a policy is made of.
pub(crate) struct PolicyInput<'a> {
    pub grants: &'a Grants,
    pub workspace: &'a Path,
    pub home: Option<&'a Path>,
    /// The server's PATH.
    pub search_path: &'a OsStr,
    /// Files of the server's own, closed to programs.
    pub protected: &'a [PathBuf],
    /// Packages that programs may import.
    pub packages: &'a AllowedPackages,
    /// Those are a principal's part of what the server allows. The files of packages are
    /// those of all, and so it reads none of them without a grant.
    pub is_narrowed: bool,
    /// Where those and other components are installed: closed to writing, and the files
    /// of packages open to reading.
    pub install_dir: Option<&'a Path>,
    /// Where the program may be that installs them, and Python's component: closed to writing.
    pub code: &'a [PathBuf],
    /// Variables that hold secrets of the server: visible only if named.
    pub secrets: &'a [String],
    /// The administrator granted everything and said that it is unsafe.
    pub unconfined: bool,
    /// Where the server itself listens, once it does.
    pub own_address: &'a OwnAddress,
}

/// Where the server itself listens, once it does: a program that called it would get
/// runs beyond its own limits.
pub(crate) type OwnAddress = Arc<OnceLock<SocketAddr>>;

/// Whether an interface has the address. Assumed where they cannot be listed.
fn is_of_this_machine(ip: IpAddr) -> bool {
    let Ok(mut interfaces) = nix::ifaddrs::getifaddrs() else { return true };
    interfaces.any(|interface| {
        let address = interface.address;
        let v4 = address.as_ref().and_then(|it| it.as_sockaddr_in()).map(|it| IpAddr::V4(it.ip()));
        let v6 = address.as_ref().and_then(|it| it.as_sockaddr_in6()).map(|it| IpAddr::V6(it.ip()));
        [v4, v6].contains(&Some(ip))
    })
}

/// What programs may do.
#[derive(Debug)]
pub(crate) struct Policy {
    pub read: PathRules,
    pub write: PathRules,
    net: NetRules,
    env: EnvRules,
    run: RunRules,
    packages: AllowedPackages,
    secrets: Vec<String>,
    unconfined: bool,
    flags: Vec<String>,
    own_address: OwnAddress,
}

impl Policy {
    /// Opens and looks up what the grants name.
    ///
    /// # Errors
    /// What cannot be granted, as a sentence.
    pub(crate) fn new(given: &PolicyInput<'_>) -> Result<Self, String> {
        let PolicyInput { grants, workspace, home, .. } = *given;
        let expand = |text: &str| expand_path(text, home, workspace);
        let paths = |permission, rule, own: &[PathBuf]| {
            PathRules::new(permission, rule, own, given.protected, expand)
        };
        // A package reads files beside its own.
        let is_read = !given.packages.is_empty() && !given.is_narrowed;
        let files = given.install_dir.filter(|_| is_read);
        let files: Vec<_> = files.into_iter().map(|place| place.join(GENERATIONS)).collect();
        let read = paths(Permission::Read, &grants.read, &files)?;
        let mut write = paths(Permission::Write, &grants.write, &[])?;
        // Who writes there decides what other programs import.
        given.install_dir.into_iter().for_each(|place| write.close(place));
        given.code.iter().for_each(|place| write.close(place));
        let run = RunRules::new(&grants.run, given.search_path, &write, given.unconfined)?;
        // A user who can write a command's file decides what it does.
        run.programs().for_each(|program| write.close(program));
        Ok(Self {
            read,
            write,
            net: NetRules::new(&grants.net)?,
            env: EnvRules::new(&grants.env)?,
            run,
            packages: given.packages.clone(),
            secrets: given.secrets.to_vec(),
            unconfined: given.unconfined,
            flags: grants.flags(),
            own_address: given.own_address.clone(),
        })
    }

    /// The grants as flags; what programs see as `PERMISSIONS`.
    pub(crate) fn flags(&self) -> &[String] {
        &self.flags
    }

    /// Decides about a request's URL.
    pub(crate) fn url(&self, url: &str) -> Result<AllowedUrl, UrlError> {
        self.net.url(url).map_err(|refusal| match refusal {
            UrlRefusal::Invalid(message) => UrlError::Invalid(message),
            UrlRefusal::Denied { target, why } => UrlError::Denied(Denied {
                permission: Permission::Net,
                target: Some(target),
                reason: why,
                grantable: true,
            }),
        })
    }

    /// Decides about an address that a URL's host has.
    pub(crate) fn address(&self, url: &AllowedUrl, ip: IpAddr) -> Result<AllowedAddress, Denied> {
        if self.is_own(ip, url.port()) {
            let target = Some(url.target().to_owned());
            return Err(Denied::never(Permission::Net, target, "it is this server's own port"));
        }
        self.net
            .address(url, ip)
            .map_err(|why| Denied::new(Permission::Net, Some(url.target().to_owned())).because(why))
    }

    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        let ip = ip.to_canonical();
        // The unspecified address connects to loopback (ip(7)).
        let Some(own) = self.own_address.get().filter(|own| own.port() == port) else {
            return false;
        };
        ip.is_loopback()
            || ip.is_unspecified()
            || own.ip() == ip
            || own.ip().is_unspecified() && is_of_this_machine(ip)
    }

    /// Decides about a variable.
    pub(crate) fn variable(&self, name: &str) -> Result<AllowedVariable, Denied> {
        let hidden = self.secrets.iter().any(|secret| secret == name);
        if self.env.allows(name) && (!hidden || self.env.names_literally(name)) {
            Ok(AllowedVariable(name.to_owned()))
        } else {
            Err(Denied::new(Permission::Env, Some(name.to_owned())))
        }
    }

    /// Decides about the environment as a whole: denied only if nothing of it is granted.
    pub(crate) fn environment(&self) -> Result<(), Denied> {
        if self.env.grants_something() { Ok(()) } else { Err(Denied::new(Permission::Env, None)) }
    }

    /// Decides about a command.
    pub(crate) fn command(&self, command: &str) -> Result<AllowedCommand, Denied> {
        self.run.check(command, &self.write, self.unconfined)
    }

    /// Whether a program may give a command this variable. The dynamic linker's
    /// make it run other code, so that a grant must name them (as in Deno, which
    /// asks for everything then).
    pub(crate) fn allows_command_variable(&self, name: &str) -> bool {
        let links = name.starts_with("LD_") && !self.env.names_literally(name);
        !links && self.variable(name).is_ok()
    }

    /// Denies a variable for a command; to most commands it is code.
    pub(crate) fn command_variable(&self, name: &str) -> Denied {
        Denied::new(Permission::Env, Some(name.to_owned())).because(
            "a command gets only the variables that allow-env names: others can make it run \
             anything"
                .to_owned(),
        )
    }

    /// Whether the administrator granted everything.
    pub(crate) fn is_unconfined(&self) -> bool {
        self.unconfined
    }

    /// Whether a command can be started at all.
    pub(crate) fn runs_commands(&self) -> bool {
        self.run.grants_something()
    }

    /// Whether a started command may use the network: a list of hosts cannot be
    /// enforced on it.
    pub(crate) fn opens_network_to_commands(&self) -> bool {
        self.net.allows_everything()
    }

    /// Granted commands that lie where programs may write.
    pub(crate) fn replaceable_commands(&self) -> &[PathBuf] {
        self.run.replaceable()
    }

    /// `Deno.permissions.query`.
    pub(crate) fn query(&self, name: &str, target: Option<&str>, cwd: &Path) -> PermissionState {
        let (granted, denied, partial) = match name {
            "read" => self.read.query(target, cwd),
            "write" => self.write.query(target, cwd),
            "run" => self.run.query(target, &self.write, self.unconfined),
            "net" => return self.net.query(target),
            "env" => match target {
                None => (self.env.allows_all(), false, self.env.has_exceptions()),
                Some(name) => (self.variable(name).is_ok(), self.env.is_denied(name), false),
            },
            _ => (false, false, false),
        };
        PermissionState { granted, denied, partial: granted && partial }
    }
}

/// Why a URL cannot be fetched.
#[derive(Debug)]
pub(crate) enum UrlError {
    Invalid(String),
    Denied(Denied),
}
