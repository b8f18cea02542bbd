//! `tenants`: several tenants in one deployment, each with settings of its own, and how a request says whose it is.
//!
//! A tenant's configuration is the deployment's with what the tenant is given in its place, read by the same rules.

use super::section::{Fields, Section, Value};
use super::{Config, Issuer, Violation};
use crate::id::TenantId;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// The most tenants besides the deployment's own. Each costs every isolate the reading of one more configuration.
const MOST_TENANTS: usize = 64;
/// The most host names of one tenant.
const MOST_HOSTNAMES: usize = 8;
/// RFC 1035 §2.3.4.
const MAX_HOSTNAME_BYTES: usize = 253;
const MAX_HEADER_BYTES: usize = 64;

/// What a tenant may have of its own. Keys, the registry of permissions, password hashes, how tokens are checked, and
/// when accounts are forgotten are the deployment's.
const OWN: [&str; 20] = [
    "issuer",
    "audience",
    "client_id",
    "tokens",
    "sessions",
    "cookies",
    "device_binding",
    "dpop",
    "passkeys",
    "second_factor",
    "codes",
    "sign_in",
    "registration",
    "verification",
    "password_reset",
    "lockout",
    "auto_lockout",
    "limits",
    "mail",
    "sms",
];

/// How a request says which tenant it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantSource {
    /// By the tenant's id in this header, in lower case.
    Header(String),
    /// By the name of the host that it asks.
    Hostname,
}

/// `tenants`: who they are besides the deployment's own, and how requests name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSettings {
    source: Option<TenantSource>,
    duplicate_identifiers: bool,
    others: Vec<Tenant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tenant {
    hostnames: Vec<Hostname>,
    config: Config,
}

/// What a request says of its tenant.
#[derive(Clone, Copy, Debug)]
pub struct TenantHint<'a> {
    /// The value of the header that [`TenantSettings::header`] names.
    pub header: Option<&'a str>,
    /// The host of the request's URL, without a port.
    pub hostname: &'a str,
}

/// Why a request is for no tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantRefusal {
    /// It does not say which.
    Missing,
    /// There is none of that name.
    Unknown,
}

impl TenantSettings {
    pub(super) const fn none() -> Self {
        Self { source: None, duplicate_identifiers: true, others: Vec::new() }
    }

    /// Whether requests have to say which tenant they are for.
    #[must_use]
    pub const fn are_several(&self) -> bool {
        self.source.is_some()
    }

    /// The header that names the tenant, in lower case; `None` unless a header does.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        match &self.source {
            Some(TenantSource::Header(name)) => Some(name),
            Some(TenantSource::Hostname) | None => None,
        }
    }

    /// Whether an address, number or username of one tenant may be another account's in another.
    #[must_use]
    pub const fn duplicate_identifiers(&self) -> bool {
        self.duplicate_identifiers
    }

    /// The configurations of the tenants besides the deployment's own.
    pub fn others(&self) -> impl Iterator<Item = &Config> {
        self.others.iter().map(|tenant| &tenant.config)
    }
}

impl Config {
    /// The tenant that a request is for: always the deployment's own, unless there are `tenants`.
    ///
    /// # Errors
    ///
    /// [`TenantRefusal`] when the request names none, or one that does not exist. Nothing stands in for it: a wrong
    /// guess would be somebody else's directory.
    pub fn tenant_of(&self, said: TenantHint<'_>) -> Result<&TenantId, TenantRefusal> {
        let Some(source) = &self.tenants.source else { return Ok(&self.tenant) };
        let mut others = self.tenants.others.iter();
        let found = match source {
            TenantSource::Header(_) => {
                let name = said.header.ok_or(TenantRefusal::Missing)?;
                let is_own = name == self.tenant.as_str();
                is_own.then_some(self).or_else(|| self.tenants.others().find(|c| c.tenant.as_str() == name))
            }
            TenantSource::Hostname => {
                let is_asked = |own: &str| own.eq_ignore_ascii_case(said.hostname);
                let of_other = |tenant: &&Tenant| tenant.hostnames.iter().any(|own| is_asked(&own.0));
                let is_own = is_asked(self.issuer.host());
                is_own.then_some(self).or_else(|| others.find(of_other).map(|tenant| &tenant.config))
            }
        };
        found.map(|config| &config.tenant).ok_or(TenantRefusal::Unknown)
    }
}

/// The tenants as they are written, before the deployment's own configuration is known.
pub(super) struct Declared {
    source: Option<TenantSource>,
    duplicate_identifiers: bool,
    tenants: Vec<(String, String, Value)>,
}

impl Declared {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        if !["resolved_by", "of", "header", "duplicate_identifiers"].iter().any(|name| section.has(name)) {
            return Self { source: None, duplicate_identifiers: true, tenants: Vec::new() };
        }
        let duplicate_identifiers = section.flag("duplicate_identifiers", true);
        let is_by_header = section.choice("resolved_by", true, &[("header", true), ("hostname", false)]);
        let header = section.parsed::<HeaderName>("header");
        if !is_by_header && header.is_some() {
            section.refuse("header", "must be left out when tenants.resolved_by is \"hostname\"");
        }
        let tenants = section.entries("of");
        if tenants.is_empty() || tenants.len() > MOST_TENANTS {
            section.refuse("of", format!("must list 1 to {MOST_TENANTS} tenants"));
        }
        let name = header.map_or_else(|| "x-tenant-id".into(), |header| header.0);
        let source = if is_by_header { TenantSource::Header(name) } else { TenantSource::Hostname };
        Self { source: Some(source), duplicate_identifiers, tenants }
    }

    /// Reads each tenant's configuration: the members of `base`, and what the tenant has in their place.
    pub(super) fn resolve(self, base: &Fields, own: &Config, errors: &mut Vec<Violation>) -> TenantSettings {
        let mut others: Vec<Tenant> = Vec::with_capacity(self.tenants.len());
        for (path, id, value) in self.tenants {
            let mut refuse = |path: String, rule: &str| errors.push(Violation { path, rule: rule.into() });
            let Value::Object(fields) = value else {
                refuse(path, "must be a table");
                continue;
            };
            let id = match id.parse::<TenantId>() {
                Ok(id) => id,
                Err(error) => {
                    refuse(path, &format!("{error}"));
                    continue;
                }
            };
            let is_taken = |other: &TenantId| other.as_str().eq_ignore_ascii_case(id.as_str());
            if is_taken(&own.tenant) || others.iter().any(|other| is_taken(&other.config.tenant)) {
                refuse(path, "must differ from every other tenant in more than case");
                continue;
            }
            let by_hostname = self.source == Some(TenantSource::Hostname);
            let Some(tenant) = read_tenant(path.clone(), fields, base, by_hostname, errors) else { continue };
            let of = |hostname| errors.push(taken(&path, hostname));
            let is_ours = |hostname: &&Hostname| {
                hostname.0 == own.issuer.host()
                    || others.iter().any(|other| other.hostnames.contains(hostname))
            };
            tenant.hostnames.iter().filter(is_ours).for_each(of);
            let (tokens, shared) = (&tenant.config.tokens, &own.tokens);
            for (name, is_other) in [
                ("algorithm", tokens.algorithm != shared.algorithm),
                ("algorithm_name", tokens.algorithm_name != shared.algorithm_name),
            ] {
                if is_other {
                    let rule = "must be the deployment's: the keys are, too".into();
                    errors.push(Violation { path: format!("{path}.tokens.{name}"), rule });
                }
            }
            others.push(Tenant { config: Config { tenant: id, ..tenant.config }, ..tenant });
        }
        TenantSettings { source: self.source, duplicate_identifiers: self.duplicate_identifiers, others }
    }
}

fn taken(path: &str, hostname: &Hostname) -> Violation {
    let rule = format!("{:?} is another tenant's, or the issuer's host", hostname.0);
    Violation { path: format!("{path}.hostnames"), rule }
}

fn read_tenant(
    path: String,
    mut own: Fields,
    base: &Fields,
    by_hostname: bool,
    errors: &mut Vec<Violation>,
) -> Option<Tenant> {
    let before = errors.len();
    let hostnames = own.iter().position(|(name, _)| name == "hostnames").map(|place| own.remove(place));
    let mut section = Section::at(path.clone(), hostnames.into_iter().collect(), errors);
    let hostnames: Vec<_> = section.list::<Hostname>("hostnames").unwrap_or_default();
    let hostnames: Vec<_> = hostnames.into_iter().map(|(_, hostname)| hostname).collect();
    if by_hostname && (hostnames.is_empty() || hostnames.len() > MOST_HOSTNAMES) {
        section.refuse("hostnames", format!("must list 1 to {MOST_HOSTNAMES} host names"));
    }
    if !by_hostname && !hostnames.is_empty() {
        section.refuse("hostnames", "must be left out unless tenants.resolved_by is \"hostname\"");
    }
    for (name, _) in own.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        section.refuse(name, format!("is no tenant's own; known here: hostnames, {}", OWN.join(", ")));
    }
    drop(section);
    if errors.len() > before {
        return None;
    }
    let is_inherited = |name: &str| name != "tenants" && name != "tenant";
    let mut fields: Fields = base.iter().filter(|(name, _)| is_inherited(name)).cloned().collect();
    overlay(&mut fields, own);
    let (config, _) = Config::read(Section::at(path, fields, errors))?;
    (errors.len() == before).then_some(Tenant { hostnames, config })
}

/// Puts the members of `own` in the place of those of `base`; of tables, member by member.
fn overlay(base: &mut Fields, own: Fields) {
    for (name, value) in own {
        match (base.iter_mut().find(|(other, _)| *other == name), value) {
            (Some((_, Value::Object(base))), Value::Object(own)) => overlay(base, own),
            (Some((_, place)), value) => *place = value,
            (None, value) => base.push((name, value)),
        }
    }
}

/// A host as a request's URL names it: lower case, without a port (RFC 1123 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hostname(String);

/// The name of a header (RFC 9110 §5.1), in lower case.
struct HeaderName(String);

/// Why a text is no such name.
#[derive(Clone, Copy, Debug)]
struct NoName(&'static str);

impl fmt::Display for NoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Hostname {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let url = format!("https://{text}");
        let is_host = |issuer: Issuer| issuer.host() == text;
        if text.len() <= MAX_HOSTNAME_BYTES && url.parse::<Issuer>().is_ok_and(is_host) {
            Ok(Self(text.into()))
        } else {
            Err(NoName("must be a lower-case host name or address, without a port"))
        }
    }
}

impl FromStr for HeaderName {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let is_written = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.starts_with("x-") && text.len() <= MAX_HEADER_BYTES && text.bytes().all(is_written) {
            Ok(Self(text.into()))
        } else {
            Err(NoName("must begin with x- and go on in lower case, digits and hyphens, 64 bytes at most"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn read(tenants: &str) -> Config {
        let text = format!(
            r#"{{"issuer":"https://auth.example:8443/x","tenant":"own","sessions":{{"idle_ttl_seconds":7200,"max_per_account":9}},
            "audience":["api"],"tenants":{tenants}}}"#
        );
        Config::from_json(&text).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn by_header(header: Option<&str>) -> TenantHint<'_> {
        TenantHint { header, hostname: "acme.example" }
    }

    #[test]
    fn without_tenants_nobody_has_to_say() {
        let config = read("{}");
        assert!(!config.tenants().are_several() && config.tenants().header().is_none());
        for header in [None, Some("acme"), Some("")] {
            assert_eq!(config.tenant_of(by_header(header)).unwrap().as_str(), "own");
        }
    }

    #[test]
    fn a_header_names_its_tenant_to_the_letter() {
        let config = read(r#"{"header":"x-customer","of":{"acme":{},"globex":{}}}"#);
        assert_eq!(config.tenants().header(), Some("x-customer"));
        for name in ["own", "acme", "globex"] {
            assert_eq!(config.tenant_of(by_header(Some(name))).unwrap().as_str(), name);
        }
        assert_eq!(config.tenant_of(by_header(None)), Err(TenantRefusal::Missing));
        for name in ["", "ACME", " acme", "acme,globex", "default", "acme\0"] {
            assert_eq!(config.tenant_of(by_header(Some(name))), Err(TenantRefusal::Unknown), "{name}");
        }
    }

    #[test]
    fn a_host_names_its_tenant_in_any_case_and_no_header_does() {
        let config =
            read(r#"{"resolved_by":"hostname","of":{"acme":{"hostnames":["acme.example","[::1]"]}}}"#);
        let at = |hostname| {
            config.tenant_of(TenantHint { header: Some("acme"), hostname }).map(ToString::to_string)
        };
        for (hostname, tenant) in
            [("acme.example", "acme"), ("ACME.example", "acme"), ("[::1]", "acme"), ("auth.example", "own")]
        {
            assert_eq!(at(hostname).as_deref(), Ok(tenant), "{hostname}");
        }
        for hostname in ["", "acme.example.", "x.acme.example", "acme", "auth.example:8443"] {
            assert_eq!(at(hostname), Err(TenantRefusal::Unknown), "{hostname}");
        }
    }

    #[test]
    fn a_tenant_has_its_own_and_the_rest_of_the_deployment() {
        let config = read(
            r#"{"of":{"acme":{"issuer":"https://acme.example","sessions":{"max_per_account":3}},"globex":{}}}"#,
        );
        let [acme, globex] = config.tenants().others().collect::<Vec<_>>()[..] else { panic!("two") };
        assert_eq!((acme.tenant().as_str(), globex.tenant().as_str()), ("acme", "globex"));
        assert_eq!((acme.issuer().as_str(), globex.issuer()), ("https://acme.example", config.issuer()));
        assert_eq!(acme.sessions().idle_ttl, config.sessions().idle_ttl);
        assert_ne!(acme.sessions().limit, config.sessions().limit);
        assert_eq!(acme.audience(), config.audience());
        // What follows from the issuer follows from its own.
        assert_eq!(acme.cookies().origins[0].as_str(), "https://acme.example");
        assert!(!acme.tenants().are_several());
        assert_eq!(
            Config { tenant: config.tenant.clone(), ..globex.clone() },
            Config { tenants: TenantSettings::none(), ..config }
        );
    }
}
