//! Which hosts a program may reach. A URL is decided by name and port, and each
//! address that its host has is decided once more before it is dialled.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use super::grants::{Rule, Scope};
use crate::protocol::PermissionState;

/// Longest name in text without its final dot: 255 bytes on the wire, less the
/// first label's length and the root (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;

/// RFC 1035, section 2.3.4.
const MAX_LABEL: usize = 63;

/// Characters of a URL that an error repeats: a line of a terminal or two.
const MAX_SHOWN: usize = 200;

/// Names that resolve inside a site only: RFC 6761 (localhost), RFC 6762 with its
/// appendix G (local, and what networks use in its place), RFC 8375 (home.arpa),
/// RFC 7686 (onion), ICANN board resolution 2024.07.29.06 (internal), and
/// Kubernetes' services.
const SITE_SUFFIXES: [&str; 12] = [
    "localhost",
    "local",
    "internal",
    "lan",
    "home",
    "corp",
    "private",
    "intranet",
    "home.arpa",
    "svc",
    "cluster.local",
    "onion",
];

const DENIED: &str = "a --deny-net rule forbids it";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostPattern {
    Name(String),
    /// Strictly below a name: `*.example.com`.
    Subdomains(String),
    Address(IpAddr),
    Network(IpNet),
}

/// A host, or hosts, on one port or on all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostRule {
    pattern: HostPattern,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    Nothing,
    All,
    Only(Vec<HostRule>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetRules {
    allow: Hosts,
    deny: Hosts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UrlRefusal {
    /// A TypeError.
    Invalid(String),
    /// The target is host:port.
    Denied { target: String, why: Option<String> },
}

/// A URL that the rules allow as it is written. What its host resolves to is for
/// [`NetRules::address`].
#[derive(Clone)]
pub(crate) struct AllowedUrl {
    url: Url,
    host: Host<String>,
    port: u16,
    target: String,
    literal: bool,
}

/// An address that may be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AllowedAddress(SocketAddr);

impl AllowedUrl {
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// A name is in ASCII, in lower case and without a final dot.
    pub(crate) fn host(&self) -> &Host<String> {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// "example.com:443"
    pub(crate) fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Debug for AllowedUrl {
    /// Without the URL, which can hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AllowedUrl").field(&self.target).finish()
    }
}

impl AllowedAddress {
    pub(crate) fn socket(&self) -> SocketAddr {
        self.0
    }
}

impl NetRules {
    pub(crate) fn new(rule: &Rule) -> Result<Self, String> {
        Ok(Self { allow: Hosts::new(&rule.allow)?, deny: Hosts::new(&rule.deny)? })
    }

    pub(crate) fn allows_everything(&self) -> bool {
        self.allow == Hosts::All && self.deny == Hosts::Nothing
    }

    pub(crate) fn url(&self, text: &str) -> Result<AllowedUrl, UrlRefusal> {
        let (url, host, port) = parse_url(text).map_err(UrlRefusal::Invalid)?;
        let target = format!("{host}:{port}");
        match self.decide(&host, Some(port)) {
            Ok(literal) => Ok(AllowedUrl { url, host, port, target, literal }),
            Err(why) => Err(UrlRefusal::Denied { target, why }),
        }
    }

    /// Decides about an address that the URL's host has; the error says why not.
    pub(crate) fn address(&self, url: &AllowedUrl, ip: IpAddr) -> Result<AllowedAddress, String> {
        let port = Some(url.port);
        if address_of(&url.host).is_some_and(|own| own.to_canonical() != ip.to_canonical()) {
            return Err(format!("{ip} is not the address in the URL"));
        }
        if self.deny.any(port, |pattern| pattern.denies_address(ip)) {
            return Err(DENIED.to_owned());
        }
        let named = self.allow.names(port, |rule| rule.opens(ip));
        let opened = |kind| named || url.literal && OPENED_BY_NAME.contains(kind);
        match special_kind(ip) {
            Some(kind) if !opened(&kind) => Err(only_named(&host_of(ip), port, kind)),
            _ => Ok(AllowedAddress(SocketAddr::new(ip, url.port))),
        }
    }

    /// `Deno.permissions.query`: of the whole permission, or of a host or host:port.
    pub(crate) fn query(&self, target: Option<&str>) -> PermissionState {
        let Some(target) = target else { return self.query_all() };
        let refused = PermissionState { granted: false, denied: true, partial: false };
        let Ok(rule) = HostRule::parse(target) else { return refused };
        let host = match rule.pattern {
            HostPattern::Name(name) => Host::Domain(name),
            HostPattern::Address(ip) => host_of(ip),
            HostPattern::Subdomains(_) | HostPattern::Network(_) => return refused,
        };
        let denied = self.deny.any(rule.port, |pattern| pattern.denies(&host));
        let granted = self.decide(&host, rule.port).is_ok();
        let excepted = rule.port.is_none() && self.deny.any_port(|pattern| pattern.denies(&host));
        PermissionState { granted, denied, partial: granted && excepted }
    }

    fn query_all(&self) -> PermissionState {
        let denied = self.deny == Hosts::All;
        let granted = self.allow == Hosts::All && !denied;
        PermissionState { granted, denied, partial: granted && self.deny != Hosts::Nothing }
    }

    /// No port means all of them. The answer is whether the grant is literal; the
    /// error is why not, if there is more to say than that nothing grants it.
    fn decide(&self, host: &Host<String>, port: Option<u16>) -> Result<bool, Option<String>> {
        if self.deny.any(port, |pattern| pattern.denies(host)) {
            return Err(Some(DENIED.to_owned()));
        }
        if !self.allow.any(port, |pattern| pattern.grants(host)) {
            return Err(None);
        }
        let literal = self.allow.names(port, |pattern| pattern.names(host));
        let kind = match host {
            Host::Domain(name) => is_site_name(name).then_some("a name inside a site"),
            Host::Ipv4(ip) => special_kind((*ip).into()),
            Host::Ipv6(ip) => special_kind((*ip).into()),
        };
        match kind {
            Some(kind) if !literal => Err(Some(only_named(host, port, kind))),
            _ => Ok(literal),
        }
    }
}

impl Hosts {
    fn new(scope: &Scope) -> Result<Self, String> {
        Ok(match scope {
            Scope::Nothing => Self::Nothing,
            Scope::All => Self::All,
            Scope::Only(texts) => Self::Only(
                texts.iter().map(|text| HostRule::parse(text)).collect::<Result<_, _>>()?,
            ),
        })
    }

    fn any(&self, port: Option<u16>, matches: impl Fn(&HostPattern) -> bool) -> bool {
        *self == Self::All || self.names(port, matches)
    }

    /// As `any`, by a rule of its own.
    fn names(&self, port: Option<u16>, matches: impl Fn(&HostPattern) -> bool) -> bool {
        let Self::Only(rules) = self else { return false };
        rules
            .iter()
            .any(|rule| (rule.port.is_none() || rule.port == port) && matches(&rule.pattern))
    }

    fn any_port(&self, matches: impl Fn(&HostPattern) -> bool) -> bool {
        let Self::Only(rules) = self else { return *self == Self::All };
        rules.iter().any(|rule| matches(&rule.pattern))
    }
}

impl HostPattern {
    /// Whether it says this very host.
    fn names(&self, host: &Host<String>) -> bool {
        match host {
            Host::Domain(name) => matches!(self, Self::Name(known) if known == name),
            Host::Ipv4(ip) => self.opens((*ip).into()),
            Host::Ipv6(ip) => self.opens((*ip).into()),
        }
    }

    /// Whether it opens an address though it is special: it says the very address, or a
    /// network of nothing but its kind. `0.0.0.0/0` means the internet and not this
    /// machine, and `100.64.0.0/10` the neighbours and not the cloud platform among them.
    fn opens(&self, ip: IpAddr) -> bool {
        let is_all_of_a_kind = |network: &IpNet| {
            special(ip.to_canonical()).is_some_and(|(kind, _)| kind.contains(network))
        };
        let is_literal = match self {
            Self::Address(_) => true,
            Self::Network(network) => is_all_of_a_kind(network),
            Self::Name(_) | Self::Subdomains(_) => false,
        };
        is_literal && self.holds(ip)
    }

    fn grants(&self, host: &Host<String>) -> bool {
        match host {
            Host::Domain(name) => self.matches_name(name),
            Host::Ipv4(ip) => self.holds((*ip).into()),
            Host::Ipv6(ip) => self.holds((*ip).into()),
        }
    }

    fn matches_name(&self, name: &str) -> bool {
        match self {
            Self::Name(known) => known == name,
            Self::Subdomains(parent) => name != parent && is_under(name, parent),
            Self::Address(_) | Self::Network(_) => false,
        }
    }

    /// An IPv4-mapped address is its IPv4 address: they are one destination.
    fn holds(&self, ip: IpAddr) -> bool {
        self.covers(ip.to_canonical())
    }

    fn covers(&self, ip: IpAddr) -> bool {
        match self {
            Self::Address(known) => *known == ip,
            Self::Network(network) => network.contains(&ip),
            Self::Name(_) | Self::Subdomains(_) => false,
        }
    }

    fn denies(&self, host: &Host<String>) -> bool {
        match host {
            Host::Domain(name) => {
                self.matches_name(name) || self.is_loopback() && is_under(name, "localhost")
            }
            Host::Ipv4(ip) => self.denies_address((*ip).into()),
            Host::Ipv6(ip) => self.denies_address((*ip).into()),
        }
    }

    /// On Linux a connection to an unspecified address goes to loopback.
    fn denies_address(&self, ip: IpAddr) -> bool {
        canonical_forms(ip).into_iter().any(|form| {
            self.covers(form)
                || self.is_loopback() && form.is_unspecified()
                || self.is_localhost() && form.is_loopback()
        })
    }

    fn is_localhost(&self) -> bool {
        matches!(self, Self::Name(name) if name == "localhost")
    }

    /// Whether it names something of loopback.
    fn is_loopback(&self) -> bool {
        match self {
            Self::Name(_) | Self::Subdomains(_) => self.is_localhost(),
            Self::Address(ip) => ip.is_loopback(),
            Self::Network(network) => {
                network.addr().is_loopback()
                    || network.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST))
                    || network.contains(&IpAddr::V6(Ipv6Addr::LOCALHOST))
            }
        }
    }
}

impl HostRule {
    /// The error shows the right form.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err(format!(
                "a grant is for a host, not for a URL: write {}",
                host_in_url(text)
            ));
        }
        if let Some((_, host)) = text.rsplit_once('@') {
            return Err(format!("a grant is for a host, without a user: write {host:?}"));
        }
        if text == "*" {
            return Err("\"*\" is not a host: write allow-net alone for every host".to_owned());
        }
        if let Some((address, rest)) = text.split_once('/') {
            return Self::parse_network(text, address, rest);
        }
        let (host, port) = split_port(text)?;
        Ok(Self { pattern: HostPattern::parse(host).ok_or_else(|| not_a_host(text))?, port })
    }

    fn parse_network(text: &str, address: &str, rest: &str) -> Result<Self, String> {
        let bare = address.strip_prefix('[').and_then(|bare| bare.strip_suffix(']'));
        let Ok(ip) = bare.unwrap_or(address).parse::<IpAddr>() else {
            return Err(format!(
                "{text:?} contains a path, a grant is for a host: write {address:?}"
            ));
        };
        let (length, port) = match rest.split_once(':') {
            Some((length, port)) => (length, Some(parse_port(text, port)?)),
            None => (rest, None),
        };
        let network = parse_decimal(length).and_then(|length| u8::try_from(length).ok());
        let network = network.and_then(|length| IpNet::new(ip, length).ok());
        let Some(network) = network else {
            return Err(format!("{text:?} is not a network: write for example 10.0.0.0/8"));
        };
        Ok(Self { pattern: HostPattern::Network(canonical_network(network)), port })
    }
}

impl HostPattern {
    fn parse(host: &str) -> Option<Self> {
        if let Some(parent) = host.strip_prefix("*.") {
            return match parse_host(parent)? {
                Host::Domain(name) => Some(Self::Subdomains(name)),
                Host::Ipv4(_) | Host::Ipv6(_) => None,
            };
        }
        Some(match parse_host(host)? {
            Host::Domain(name) => Self::Name(name),
            Host::Ipv4(ip) => Self::Address(ip.into()),
            Host::Ipv6(ip) => Self::Address(IpAddr::V6(ip).to_canonical()),
        })
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            HostPattern::Name(name) => write!(f, "{name}")?,
            HostPattern::Subdomains(parent) => write!(f, "*.{parent}")?,
            HostPattern::Address(ip) => write!(f, "{}", host_of(*ip))?,
            HostPattern::Network(network) => write!(f, "{network}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']').ok_or_else(|| not_a_host(text))?;
        text.split_at(end + 1)
    } else {
        match text.find(':') {
            // More than one colon: an IPv6 address without brackets.
            Some(colon) if !text[colon + 1..].contains(':') => text.split_at(colon),
            _ => (text, ""),
        }
    };
    match port.strip_prefix(':') {
        Some(port) => Ok((host, Some(parse_port(text, port)?))),
        None if port.is_empty() => Ok((host, None)),
        None => Err(not_a_host(text)),
    }
}

fn parse_port(text: &str, port: &str) -> Result<u16, String> {
    parse_decimal(port).filter(|port| *port != 0).ok_or_else(|| {
        format!("{text:?} has no port from 1 to 65535: write for example example.com:443")
    })
}

/// `u16::from_str` takes a plus sign.
fn parse_decimal(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn not_a_host(text: &str) -> String {
    if text.contains('*') {
        return format!(
            "{text:?}: a * stands for the first labels: write for example *.example.com"
        );
    }
    format!("{text:?} is not a host: write for example example.com:443, 10.0.0.0/8 or [::1]:80")
}

fn host_in_url(text: &str) -> String {
    let url = Url::parse(text).ok();
    let host = url.as_ref().and_then(|url| Some((url.host()?, url.port_or_known_default())));
    match host {
        Some((host, Some(port))) => format!("{host}:{port}"),
        Some((host, None)) => host.to_string(),
        None => "example.com:443".to_owned(),
    }
}

/// The WHATWG parser's reading of a host, which is the one that is dialled. A name is
/// in ASCII, in lower case and without a final dot.
pub(crate) fn parse_host(text: &str) -> Option<Host<String>> {
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Some(Host::Ipv6(ip));
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) => canonical_name(&name).map(Host::Domain),
        address => Some(address),
    }
}

/// Without the final dot. WHATWG lets through more characters than names of hosts
/// have, `*` and `,` among them.
fn canonical_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let plain =
        name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
    let labels = name.split('.').all(|label| !label.is_empty() && label.len() <= MAX_LABEL);
    (plain && labels && name.len() <= MAX_NAME).then(|| name.to_owned())
}

fn parse_url(text: &str) -> Result<(Url, Host<String>, u16), String> {
    let invalid = || format!("Invalid URL: '{}'", text.chars().take(MAX_SHOWN).collect::<String>());
    let mut url = Url::parse(text).map_err(|_| invalid())?;
    if !matches!(url.scheme(), "http" | "https") {
        let scheme: String = url.scheme().chars().take(MAX_SHOWN).collect();
        return Err(format!("Url scheme '{scheme}' not supported"));
    }
    let port = url.port_or_known_default().ok_or_else(invalid)?;
    let host = match url.host().ok_or_else(invalid)?.to_owned() {
        Host::Domain(name) => canonical_name(&name).map(Host::Domain).ok_or_else(invalid)?,
        address => address,
    };
    // The name that was decided about is the name that is dialled.
    if let Host::Domain(name) = &host {
        url.set_host(Some(name.as_str())).map_err(|_| invalid())?;
    }
    Ok((url, host, port))
}

/// An IPv4-mapped network is its IPv4 network, as for addresses.
fn canonical_network(network: IpNet) -> IpNet {
    let network = network.trunc();
    let IpNet::V6(mapped) = network else { return network };
    let (Some(ip), Some(length)) =
        (mapped.addr().to_ipv4_mapped(), mapped.prefix_len().checked_sub(96))
    else {
        return network;
    };
    Ipv4Net::new(ip, length).map_or(network, IpNet::V4)
}

fn is_under(name: &str, parent: &str) -> bool {
    match name.strip_suffix(parent) {
        Some(rest) => rest.is_empty() || rest.ends_with('.'),
        None => false,
    }
}

fn is_site_name(name: &str) -> bool {
    !name.contains('.') || SITE_SUFFIXES.iter().any(|suffix| is_under(name, suffix))
}

fn host_of(ip: IpAddr) -> Host<String> {
    match ip {
        IpAddr::V4(ip) => Host::Ipv4(ip),
        IpAddr::V6(ip) => Host::Ipv6(ip),
    }
}

fn address_of(host: &Host<String>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some((*ip).into()),
        Host::Ipv6(ip) => Some((*ip).into()),
    }
}

fn only_named(host: &Host<String>, port: Option<u16>, kind: &str) -> String {
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    format!(
        "{host} is {kind}; only a grant that names it allows it, for example allow-net={host}{port}"
    )
}

/// The address itself and every IPv4 address that it carries.
pub(crate) fn canonical_forms(ip: IpAddr) -> Vec<IpAddr> {
    let mut forms = vec![ip];
    if let IpAddr::V6(ip) = ip {
        forms.extend(embedded(ip).into_iter().map(|octets| IpAddr::V4(octets.into())));
    }
    forms
}

fn embedded(ip: Ipv6Addr) -> Vec<[u8; 4]> {
    let b = ip.octets();
    let last = [b[12], b[13], b[14], b[15]];
    match ip.segments() {
        // Compatible (RFC 4291), mapped (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![last],
        // A translator's prefix inside it may have 48, 56, 64 or 96 bits, and octet 8
        // is left out (RFC 8215; RFC 6052, section 2.2).
        [0x64, 0xff9b, 1, ..] => vec![
            [b[6], b[7], b[9], b[10]],
            [b[7], b[9], b[10], b[11]],
            [b[9], b[10], b[11], b[12]],
            last,
        ],
        // 6to4 (RFC 3056).
        [0x2002, ..] => vec![[b[2], b[3], b[4], b[5]]],
        // Teredo: the server, and the client inverted (RFC 4380, section 4).
        [0x2001, 0, ..] => vec![[b[4], b[5], b[6], b[7]], last.map(|octet| !octet)],
        _ => isatap(ip).into_iter().collect(),
    }
}

/// ISATAP puts an IPv4 address behind any prefix (RFC 5214, section 6.1).
fn isatap(ip: Ipv6Addr) -> Option<[u8; 4]> {
    let [_, _, _, _, _, _, _, _, 0 | 2, 0, 0x5e, 0xfe, a, b, c, d] = ip.octets() else {
        return None;
    };
    Some([a, b, c, d])
}

const fn v4(octets: [u8; 4], length: u8, kind: &'static str) -> (Ipv4Net, &'static str) {
    let [a, b, c, d] = octets;
    (Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length), kind)
}

const fn v6(start: [u16; 8], length: u8, kind: &'static str) -> (Ipv6Net, &'static str) {
    let [a, b, c, d, e, f, g, h] = start;
    (Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length), kind)
}

/// Special addresses that a grant of a name opens, if the name has them. Whoever
/// answers for a name must not lead programs to the platform's metadata.
const OPENED_BY_NAME: [&str; 4] =
    ["a private address", "a loopback address", "a shared address", "a site-local address"];

const CLOUD: &str = "an address of the cloud platform";
const CARRIES: &str = "an address with an IPv4 address in it";

/// What clouds answer their machines from: credentials of the machine, as a rule. Others
/// are link-local: 169.254.169.254 of most, 169.254.170.2 and 169.254.170.23 (Amazon ECS
/// and EKS), 169.254.0.23 (Tencent), 169.254.42.42 (Scaleway), fe80::a9fe:a9fe
/// (OpenStack). Azure has none in IPv6 (Microsoft Learn, "Azure Instance Metadata
/// Service").
static CLOUD_V4: [(Ipv4Net, &str); 3] = [
    // Azure (Microsoft Learn, "What is IP address 168.63.129.16?").
    v4([168, 63, 129, 16], 32, CLOUD),
    // Alibaba Cloud (ECS user guide, "Instance metadata").
    v4([100, 100, 100, 200], 32, CLOUD),
    // Oracle Cloud Infrastructure Classic ("Retrieving instance metadata").
    v4([192, 0, 0, 192], 32, CLOUD),
];

/// IANA's IPv4 special-purpose address registry, and multicast (RFC 5771).
static SPECIAL_V4: [(Ipv4Net, &str); 16] = [
    v4([0, 0, 0, 0], 8, "an unspecified address"),
    v4([10, 0, 0, 0], 8, "a private address"),
    v4([100, 64, 0, 0], 10, "a shared address"),
    v4([127, 0, 0, 0], 8, "a loopback address"),
    v4([169, 254, 0, 0], 16, "a link-local address"),
    v4([172, 16, 0, 0], 12, "a private address"),
    v4([192, 0, 0, 0], 24, "a reserved address"),
    v4([192, 0, 2, 0], 24, "a documentation address"),
    v4([192, 88, 99, 0], 24, "a reserved address"),
    v4([192, 168, 0, 0], 16, "a private address"),
    v4([198, 18, 0, 0], 15, "a benchmarking address"),
    v4([198, 51, 100, 0], 24, "a documentation address"),
    v4([203, 0, 113, 0], 24, "a documentation address"),
    v4([224, 0, 0, 0], 4, "a multicast address"),
    v4([255, 255, 255, 255], 32, "a broadcast address"),
    v4([240, 0, 0, 0], 4, "a reserved address"),
];

/// As [`CLOUD_V4`]. All of them lie among the private addresses (RFC 4193).
static CLOUD_V6: [(Ipv6Net, &str); 6] = [
    // Amazon: metadata, EKS Pod Identity, DNS, time (EC2 user guide, "Access instance
    // metadata"; EKS user guide, "Set up the Amazon EKS Pod Identity Agent").
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32, CLOUD),
    // Google (Compute Engine, "About VM metadata": fd20:ce::254).
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0], 32, CLOUD),
    // Oracle (SDK for Python, InstancePrincipalsSecurityTokenSigner: fd00:c1::a9fe:a9fe).
    v6([0xfd00, 0xc1, 0, 0, 0, 0, 0, 0], 32, CLOUD),
    // Akamai (cloud-init, "Akamai": fd00:a9fe:a9fe::1).
    v6([0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 0], 48, CLOUD),
    // Scaleway (cloud-init, "Scaleway").
    v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128, CLOUD),
    // Alibaba Cloud (ECS user guide, "Instance metadata").
    v6([0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200], 128, CLOUD),
];

/// IANA's IPv6 special-purpose address registry, and what carries an IPv4 address.
static SPECIAL_V6: [(Ipv6Net, &str); 18] = [
    v6([0; 8], 128, "an unspecified address"),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, "a loopback address"),
    v6([0; 8], 96, CARRIES),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, CARRIES),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, CARRIES),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, CARRIES),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, CARRIES),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, CARRIES),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, CARRIES),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "a reserved address"),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "a documentation address"),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "a documentation address"),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "a discard address"),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "a segment routing address"),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "a private address"),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "a link-local address"),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "a site-local address"),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "a multicast address"),
];

/// What keeps an address from being globally reachable unicast, if anything does.
fn special_kind(ip: IpAddr) -> Option<&'static str> {
    special(ip).map(|(_, kind)| kind)
}

/// The network of the first kind that an address is of.
fn special(ip: IpAddr) -> Option<(IpNet, &'static str)> {
    match ip {
        IpAddr::V4(ip) => {
            let mut known = CLOUD_V4.iter().chain(&SPECIAL_V4);
            let found = known.find(|(network, _)| network.contains(&ip));
            found.map(|(network, kind)| (IpNet::V4(*network), *kind))
        }
        IpAddr::V6(ip) => special_v6(ip).map(|(network, kind)| (IpNet::V6(network), kind)),
    }
}

fn special_v6(ip: Ipv6Addr) -> Option<(Ipv6Net, &'static str)> {
    let find = |table: &[(Ipv6Net, &'static str)]| {
        table.iter().find(|(network, _)| network.contains(&ip)).copied()
    };
    let itself = |kind| Some((Ipv6Net::from(ip), kind));
    // IANA has allocated global unicast addresses from 2000::/3 only.
    let is_global = ip.segments()[0] & 0xe000 == 0x2000;
    match find(&CLOUD_V6) {
        None if ends_like_the_cloud(ip) => itself(CLOUD),
        None if isatap(ip).is_some() => itself(CARRIES),
        None => find(&SPECIAL_V6)
            .or_else(|| if is_global { None } else { itself("a reserved address") }),
        known => known,
    }
}

/// A translator with a prefix of 96 bits of the site's own (RFC 6052, section 2.2) makes
/// the platform's IPv4 addresses IPv6 addresses that end like these. Of others, three in
/// 2^32 do.
fn ends_like_the_cloud(ip: Ipv6Addr) -> bool {
    const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
    let [.., a, b, c, d] = ip.octets();
    let last = Ipv4Addr::new(a, b, c, d);
    last == METADATA || CLOUD_V4.iter().any(|(network, _)| network.contains(&last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::grants::Grants;

    fn rules(grants: &str) -> NetRules {
        NetRules::new(&Grants::parse(grants).unwrap().net).unwrap()
    }

    fn opens(grants: &str, url: &str) -> bool {
        rules(grants).url(url).is_ok()
    }

    #[test]
    fn a_network_opens_special_addresses_only_if_it_holds_nothing_else() {
        assert!(opens("allow-net=10.0.0.0/8", "http://10.1.2.3/"));
        assert!(opens("allow-net=127.0.0.0/8", "http://127.0.0.1/"));
        assert!(opens("allow-net=0.0.0.0/0", "http://93.184.216.34/"));
        for url in ["http://127.0.0.1/", "http://10.1.2.3/", "http://169.254.169.254/"] {
            assert!(!opens("allow-net=0.0.0.0/0", url), "{url}");
        }
        assert!(!opens("allow-net=::/0", "http://[::1]/"));
        assert!(opens("allow-net=fd00::/8", "http://[fd00::1]/"));
    }

    fn why(grants: &str, url: &str) -> Option<String> {
        match rules(grants).url(url) {
            Err(UrlRefusal::Denied { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    fn resolves(grants: &str, url: &str, ip: &str) -> bool {
        let rules = rules(grants);
        rules.address(&rules.url(url).unwrap(), ip.parse().unwrap()).is_ok()
    }

    #[test]
    fn a_rule_has_one_canonical_form() {
        for (text, printed) in [
            ("Example.COM.", "example.com"),
            ("example.com:443", "example.com:443"),
            ("*.Example.com:443", "*.example.com:443"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("0x7f.1", "127.0.0.1"),
            ("::1", "[::1]"),
            ("[::1]:80", "[::1]:80"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.0.0.0/8:443", "10.0.0.0/8:443"),
            ("fd00::/8", "fd00::/8"),
            ("[fd00::]/8", "fd00::/8"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(HostRule::parse(text).unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_an_error() {
        for text in [
            "",
            "*",
            "*.",
            "a.*",
            "*a.b",
            "*.*.b",
            "*.1.2.3.4",
            "x.y/p",
            "u@x.y",
            "x.y:0",
            "x.y:",
            "x.y:+1",
            "x.y:65536",
            ":80",
            "[::1",
            "[::1]80",
            "fe80::1%eth0",
            "1.2.3.4/33",
            "a b",
            "1.2.3.4/+8",
            "a..b",
            ".a",
            "%2a.com",
            "＊.com",
            "a?b",
            "1.2.3.4.5",
        ] {
            assert!(HostRule::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_url_as_a_rule_is_answered_with_its_host() {
        assert!(HostRule::parse("https://x.y").unwrap_err().ends_with("write x.y:443"));
        assert!(HostRule::parse("http://u:p@x.y:81/z").unwrap_err().ends_with("write x.y:81"));
    }

    #[test]
    fn a_name_opens_that_name_only() {
        assert!(opens("allow-net=example.com", "https://EXAMPLE.com./x"));
        for host in
            ["evilexample.com", "sub.example.com", "ex\u{430}mple.com", "example.com.evil.io"]
        {
            assert!(!opens("allow-net=example.com", &format!("http://{host}:8080/")), "{host}");
        }
        assert!(!opens("allow-net=example.com", "http://127.0.0.1:8080#@example.com/"));
    }

    #[test]
    fn a_backslash_ends_the_host_for_the_check_and_for_the_client() {
        let url = rules("allow-net=example.com").url("http://example.com\\@127.0.0.1:80/").unwrap();
        assert_eq!(url.target(), "example.com:80");
        assert_eq!(url.url().host_str(), Some("example.com"));
    }

    #[test]
    fn the_port_is_part_of_the_grant() {
        assert!(opens("allow-net=127.0.0.1:8081", "http://127.0.0.1:8081/hello"));
        assert!(!opens("allow-net=127.0.0.1:8081", "http://127.0.0.1:8080/"));
        assert!(opens("allow-net=example.com:443", "https://example.com/"));
        assert!(!opens("allow-net=example.com:443", "http://example.com/"));
    }

    #[test]
    fn a_wildcard_opens_what_is_strictly_below() {
        assert!(opens("allow-net=*.example.com", "https://a.b.example.com/"));
        assert!(!opens("allow-net=*.example.com", "https://example.com/"));
        assert!(!opens("allow-net=*.example.com", "https://aexample.com/"));
    }

    #[test]
    fn a_network_opens_its_addresses() {
        assert!(opens("allow-net=10.0.0.0/8", "http://10.1.2.3/"));
        assert!(!opens("allow-net=10.0.0.0/8", "http://11.1.2.3/"));
        assert!(opens("allow-net=8.8.8.0/24:53", "http://8.8.8.8:53/"));
        assert!(!opens("allow-net=8.8.8.0/24:53", "http://8.8.8.8/"));
    }

    #[test]
    fn only_http_is_fetched() {
        let invalid = |url: &str| match rules("allow-net").url(url) {
            Err(UrlRefusal::Invalid(message)) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(invalid("ftp://x.y/"), "Url scheme 'ftp' not supported");
        assert_eq!(invalid("file:///etc/passwd"), "Url scheme 'file' not supported");
        assert_eq!(invalid("x"), "Invalid URL: 'x'");
        assert_eq!(invalid("http://a..b/"), "Invalid URL: 'http://a..b/'");
        assert!(invalid(&format!("http://{}", "a.".repeat(5000))).len() < 2 * MAX_SHOWN);
    }

    #[test]
    fn a_deny_of_loopback_holds_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.0x0.0x0.0x1",
            "017700000001",
            "127.0.1",
            "①②⑦.⓪.⓪.①",
            "127.0.0.1.",
            "LOCALHOST.",
            "a.localhost",
            "[::ffff:7f00:1]",
            "0.0.0.0",
            "0",
            "[::]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
        ] {
            let url = format!("http://{host}:8080/");
            assert_eq!(why("allow-net,deny-net=127.0.0.1", &url).unwrap(), DENIED, "{host}");
        }
        assert!(opens("allow-net,deny-net=127.0.0.1", "http://93.184.216.34:8080/"));
    }

    #[test]
    fn a_deny_is_not_outvoted_by_the_very_host() {
        let grants = "allow-net=127.0.0.1:8081,deny-net=127.0.0.1:8080";
        assert!(opens(grants, "http://127.0.0.1:8081/"));
        assert!(!opens(grants, "http://2130706433:8080/"));
        assert!(!opens("allow-net=x.io,deny-net=x.io", "http://x.io/"));
        assert!(!opens("allow-net=a.x.io,deny-net=*.x.io", "http://a.x.io/"));
        assert!(!opens("allow-net=x.io,deny-net", "http://x.io/"));
    }

    #[test]
    fn a_deny_of_localhost_is_one_of_loopback() {
        let grants = "allow-net=127.0.0.0/8,::1,0.0.0.0,8.8.8.8,deny-net=localhost";
        for host in ["127.9.9.9", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"] {
            assert!(!opens(grants, &format!("http://{host}/")), "{host}");
        }
        assert!(opens(grants, "http://8.8.8.8/"));
        assert!(!opens("allow-net=0.0.0.0,deny-net=::1", "http://0/"));
        assert!(!opens("allow-net=0.0.0.0,deny-net=127.1.0.0/16", "http://0/"));
    }

    #[test]
    fn special_addresses_need_a_grant_that_names_them() {
        for host in [
            "0",
            "10.0.0.1",
            "100.64.0.1",
            "127.200.3.4",
            "169.254.169.254",
            "0xA9FEA9FE",
            "172.31.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "100.100.100.200",
            "[::]",
            "[::1]",
            "[::127.0.0.1]",
            "[::ffff:8.8.8.8]",
            "[::ffff:0:127.0.0.1]",
            "[64:ff9b::808:808]",
            "[64:ff9b:1::7f00:1]",
            "[100::1]",
            "[2001::1]",
            "[2001:db8::1]",
            "[2002:808:808::]",
            "[3fff::1]",
            "[5f00::1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[4000::1]",
        ] {
            let url = format!("http://{host}:8080/");
            assert!(why("allow-net", &url).is_some(), "{host}");
            assert!(opens(&format!("allow-net={host}"), &url), "{host}");
        }
        assert!(
            opens("allow-net", "http://8.8.8.8/") && opens("allow-net", "http://[2606:4700::1]/")
        );
    }

    #[test]
    fn a_refusal_says_which_grant_would_help() {
        assert_eq!(
            why("allow-net", "http://127.0.0.1:8080/").unwrap(),
            "127.0.0.1 is a loopback address; only a grant that names it allows it, for example \
             allow-net=127.0.0.1:8080"
        );
        assert_eq!(why("none", "http://127.0.0.1:8080/"), None);
    }

    #[test]
    fn names_inside_a_site_need_a_grant_that_names_them() {
        for host in
            ["localhost", "kubernetes", "kubernetes.default.svc", "nas.local", "a.home.arpa"]
        {
            let url = format!("http://{host}/");
            assert!(!opens("allow-net", &url), "{host}");
            assert!(opens(&format!("allow-net={host}"), &url), "{host}");
        }
        assert!(!opens("allow-net=*.local", "http://nas.local/"));
        assert!(opens("allow-net", "http://notlocal.example/"));
    }

    #[test]
    fn a_public_name_does_not_lead_inside() {
        for grants in ["allow-net", "allow-net=*.rebind.io"] {
            assert!(resolves(grants, "http://a.rebind.io/", "93.184.216.34"));
            for ip in ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "::", "fd00::1"] {
                assert!(!resolves(grants, "http://a.rebind.io/", ip), "{ip}");
            }
        }
    }

    #[test]
    fn a_named_host_or_a_named_address_may_lead_inside() {
        assert!(resolves("allow-net=db.corp:5432", "http://db.corp:5432/", "10.0.0.5"));
        assert!(resolves("allow-net=*.x.io,10.0.0.0/8", "http://a.x.io/", "10.0.0.5"));
        assert!(!resolves("allow-net=*.x.io,10.0.0.0/8:81", "http://a.x.io/", "10.0.0.5"));
        assert!(!resolves("allow-net=x.io,deny-net=10.0.0.0/8", "http://x.io/", "10.0.0.5"));
        assert!(!resolves("allow-net=x.io,deny-net=10.0.0.0/8", "http://x.io/", "::ffff:10.0.0.5"));
    }

    /// Credentials of the machine are behind these.
    const METADATA: [&str; 32] = [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "169.254.0.23",
        "169.254.42.42",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd00:ec2:0:1::7",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "fd00:a9fe:a9fe::1",
        "fd00:42::42",
        "fd00:100::100:200",
        "fe80::a9fe:a9fe",
        "::ffff:169.254.169.254",
        "::ffff:100.100.100.200",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "2001::5601:5601",
        "fe80::5efe:169.254.169.254",
        "fd12:3456::5efe:169.254.169.254",
        "fd12:3456::200:5efe:10.0.0.1",
        "2606:4700::5efe:10.0.0.1",
        "fd12:3456::169.254.169.254",
        "fd12:3456::168.63.129.16",
    ];

    #[test]
    fn no_name_leads_to_the_platforms_metadata() {
        let grants = ["allow-net=x.io", "allow-net=x.io:443", "allow-net=*.io,x.io", "allow-net"];
        for ip in METADATA {
            for grants in grants {
                assert!(!resolves(grants, "https://x.io/", ip), "{grants}: {ip}");
            }
            let host = host_of(ip.parse().unwrap());
            let url = format!("https://{host}/");
            assert!(why("allow-net", &url).is_some(), "{ip}");
            assert!(opens(&format!("allow-net={host}"), &url), "{ip}");
            assert!(resolves(&format!("allow-net=x.io,{host}"), "https://x.io/", ip), "{ip}");
            assert!(!resolves(&format!("allow-net=x.io,{host}:80"), "https://x.io/", ip), "{ip}");
        }
    }

    #[test]
    fn the_platforms_metadata_is_refused_in_every_spelling() {
        for host in [
            "169.254.169.254.",
            "169.254.43518",
            "2852039166",
            "0251.0376.0251.0376",
            "0xa9.0xfe.0xa9.0xfe",
            "%31%36%39.254.169.254",
            "169\u{3002}254\u{3002}169\u{3002}254",
            "[::ffff:a9fe:a9fe]",
            "[0:0::ffff:169.254.169.254]",
            "[FD00:EC2:0:0::254]",
            "[fe80::a9fe:a9fe%25eth0]",
            "METADATA.google.INTERNAL.",
        ] {
            let url = format!("http://{host}/latest/meta-data/");
            for grants in ["allow-net", "allow-net=*.internal,0.0.0.0/0,::/0,x.io"] {
                assert!(!opens(grants, &url), "{grants}: {host}");
            }
        }
        // Whoever grants the name does so by the address too.
        let grants = "allow-net=metadata.google.internal";
        let url = "http://METADATA.google.internal./";
        assert!(opens(grants, url) && !resolves(grants, url, "169.254.169.254"));
        assert!(resolves(&format!("{grants},169.254.169.254"), url, "169.254.169.254"));
    }

    #[test]
    fn a_name_leads_to_private_addresses_beside_the_platforms() {
        for ip in ["10.0.0.5", "100.100.100.201", "fd00:ec3::254", "fd20:cf::254", "fd00:42::43"] {
            assert!(resolves("allow-net=x.io", "https://x.io/", ip), "{ip}");
        }
    }

    #[test]
    fn a_network_does_not_open_the_platform_in_it() {
        for (network, near, ip) in [
            ("100.64.0.0/10", "100.64.0.1", "100.100.100.200"),
            ("fd00::/8", "fd12::1", "fd00:ec2::254"),
            ("fc00::/7", "fd12::1", "fd20:ce::254"),
            ("192.0.0.0/24", "192.0.0.1", "192.0.0.192"),
            ("168.63.0.0/16", "168.63.1.1", "168.63.129.16"),
        ] {
            let grants = format!("allow-net=x.io,{network}");
            for (ip, opened) in [(near, true), (ip, false)] {
                let url = format!("https://{}/", host_of(ip.parse().unwrap()));
                assert_eq!(opens(&grants, &url), opened, "{grants}: {ip}");
                assert_eq!(resolves(&grants, "https://x.io/", ip), opened, "{grants}: {ip}");
            }
        }
        assert!(opens("allow-net=fd00:ec2::/32", "http://[fd00:ec2::254]/"));
        assert!(opens("allow-net=169.254.0.0/16", "http://169.254.169.254/"));
        assert!(opens("allow-net=::1/128", "http://[::1]/"));
    }

    #[test]
    fn a_deny_of_the_metadata_holds_in_every_form_that_carries_it() {
        let grants = "allow-net=x.io,fd12::/16,2002::/16,64:ff9b::/96,deny-net=169.254.169.254";
        for ip in ["fd12::5efe:a9fe:a9fe", "2002:a9fe:a9fe::1", "64:ff9b::a9fe:a9fe"] {
            assert!(!resolves(grants, "https://x.io/", ip), "{ip}");
        }
        assert!(resolves(grants, "https://x.io/", "fd12::1"));
    }

    #[test]
    fn an_address_in_a_url_is_the_only_one_to_dial() {
        assert!(resolves("allow-net", "http://8.8.8.8/", "8.8.8.8"));
        assert!(!resolves("allow-net", "http://8.8.8.8/", "8.8.4.4"));
    }

    #[test]
    fn the_final_dot_is_gone_from_the_url_and_its_user_is_not() {
        let url = rules("allow-net=x.io").url("https://u:p@X.io.:8443/a").unwrap();
        assert_eq!(url.url().as_str(), "https://u:p@x.io:8443/a");
        assert_eq!((url.target(), url.port()), ("x.io:8443", 8443));
        assert!(url.literal);
        assert_eq!(format!("{url:?}"), "AllowedUrl(\"x.io:8443\")");
    }

    #[test]
    fn every_carried_address_is_a_form() {
        for text in [
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::127.0.0.1",
            "64:ff9b:1:7f00:0:100::",
            "2002:7f00:1::",
            "2001::80ff:fffe",
            "fd00::5efe:127.0.0.1",
            "2606:4700::200:5efe:127.0.0.1",
        ] {
            let forms = canonical_forms(text.parse().unwrap());
            assert!(forms.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)), "{text}: {forms:?}");
        }
        let public = "2606:4700::1".parse().unwrap();
        assert_eq!(canonical_forms(public), [public]);
    }

    #[test]
    fn a_query_tells_what_a_fetch_would_meet() {
        let query = |grants, target| {
            let state = rules(grants).query(target);
            (state.granted, state.denied, state.partial)
        };
        assert_eq!(query("allow-net", None), (true, false, false));
        assert_eq!(query("allow-net,deny-net=x.io", None), (true, false, true));
        assert_eq!(query("allow-net=x.io", None), (false, false, false));
        assert_eq!(query("deny-net", None), (false, true, false));
        assert_eq!(query("allow-net=x.io", Some("x.io:80")), (true, false, false));
        assert_eq!(query("allow-net=x.io:80", Some("x.io")), (false, false, false));
        assert_eq!(query("allow-net,deny-net=x.io:80", Some("x.io")), (true, false, true));
        assert_eq!(query("allow-net,deny-net=x.io", Some("x.io:80")), (false, true, false));
        assert_eq!(query("allow-net", Some("127.0.0.1:80")), (false, false, false));
        assert_eq!(query("allow-net", Some("https://x.io")), (false, true, false));
    }

    fn host() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec!["localhost", "127.0.0.1", "0.0.0.0", "[::1]", "[::]"])
                .prop_map(str::to_owned),
            "[ab]\\.(x\\.)?io",
            any::<IpAddr>().prop_map(|ip| host_of(ip).to_string()),
        ]
    }

    fn rule() -> impl Strategy<Value = String> {
        let host = prop_oneof![
            3 => host(),
            1 => Just("*.io".to_owned()),
            1 => (any::<IpAddr>(), 0..=32u8).prop_map(|(ip, length)| format!("{ip}/{length}")),
        ];
        (host, prop_oneof![Just(""), Just(":80"), Just(":81")])
            .prop_map(|(host, port)| format!("{host}{port}"))
    }

    fn scope() -> impl Strategy<Value = Scope> {
        let only = prop::collection::vec(rule(), 1..5).prop_map(Scope::Only);
        prop_oneof![Just(Scope::Nothing), Just(Scope::All), only]
    }

    proptest! {
        #[test]
        fn a_printed_rule_parses_to_the_same(text in prop_oneof![rule(), "(?s).{0,20}"]) {
            if let Ok(rule) = HostRule::parse(&text) {
                prop_assert_eq!(HostRule::parse(&rule.to_string()), Ok(rule));
            }
        }

        #[test]
        fn no_allow_outvotes_a_deny(
            allow in scope(), denied in host(), deny_port in prop::bool::ANY, others in scope()
        ) {
            let mut deny = vec![if deny_port { format!("{denied}:80") } else { denied.clone() }];
            if let Scope::Only(others) = others {
                deny.extend(others);
            }
            let rule = Rule { allow, deny: Scope::Only(deny) };
            let rules = NetRules::new(&rule).unwrap();
            let url = format!("http://{denied}/");
            prop_assert!(rules.url(&url).is_err());
        }

        #[test]
        fn no_name_leads_to_a_denied_address(
            allow in scope(), ip in any::<IpAddr>(), name in "[ab]\\.io"
        ) {
            let deny = Scope::Only(vec![host_of(ip).to_string()]);
            let rules = NetRules::new(&Rule { allow, deny }).unwrap();
            if let Ok(url) = rules.url(&format!("http://{name}/")) {
                prop_assert!(rules.address(&url, ip).is_err());
            }
        }
    }
}
