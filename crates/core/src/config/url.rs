//! URLs that the configuration may name.

use alloc::string::String;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

/// An absolute `https` URL, or `http` on a loopback host (RFC 8252 §7.3), in lower case up to the path.
///
/// No user information and no fragment; at most 2,048 bytes of printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebUrl {
    text: String,
    loopback: bool,
}

/// The issuer: a [`WebUrl`] without query and trailing slash (RFC 8414 §2), compared byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(WebUrl);

/// The origin of pages (RFC 6454 §6.2), as browsers write it: a [`WebUrl`] without path, and without the port that goes
/// without saying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(WebUrl);

/// One audience of access tokens (RFC 7519 §4.1.3): 1 to 256 bytes of printable ASCII without space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Audience(String);

/// Why a text is not such a URL or audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Empty or too long.
    Length,
    /// A character outside printable ASCII, or one that a URL must percent-encode.
    Character,
    /// The scheme is not `https`, nor `http` on `localhost`, `127.0.0.1` or `[::1]`.
    Scheme,
    /// A user name or password before the host.
    UserInfo,
    /// The host is empty, not in lower case, or not a host name or address.
    Host,
    /// The port is not 1 to 65535.
    Port,
    /// A fragment.
    Fragment,
    /// A query, where none may be.
    Query,
    /// A slash at the end, where none may be.
    TrailingSlash,
    /// A path, or the port that goes without saying, where browsers write neither.
    NotAnOrigin,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "must not be empty or too long",
            Self::Character => "must be printable ASCII without spaces or characters that need encoding",
            Self::Scheme => "must begin with https:// (http:// only on localhost, 127.0.0.1 or [::1])",
            Self::UserInfo => "must not contain a user name or password",
            Self::Host => "must have a lower-case host name or address",
            Self::Port => "must have a port of 1 to 65535, if any",
            Self::Fragment => "must not have a fragment",
            Self::Query => "must not have a query",
            Self::TrailingSlash => "must not end with a slash",
            Self::NotAnOrigin => {
                "must be an origin as browsers write it: no path, and no port that goes without saying"
            }
        })
    }
}

impl core::error::Error for UrlError {}

impl WebUrl {
    /// The most bytes a URL may have.
    pub const MAX_BYTES: usize = 2_048;

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the host is this machine, so that no other machine can read what is sent there.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl Issuer {
    /// The issuer, as it stands in the `iss` claim.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The issuer as a URL.
    #[must_use]
    pub const fn as_url(&self) -> &WebUrl {
        &self.0
    }

    /// The URL of a path under the issuer. The path begins with a slash and needs no encoding.
    pub(super) fn join(&self, path: &'static str) -> WebUrl {
        WebUrl { text: alloc::format!("{}{path}", self.as_str()), loopback: self.0.loopback }
    }
}

impl Issuer {
    /// Its host, with the brackets of an address.
    pub(super) fn host(&self) -> &str {
        let (_, authority) = self.scheme_and_authority();
        match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        }
    }

    /// The origin of its pages.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let (scheme, authority) = self.scheme_and_authority();
        let loopback = self.0.loopback;
        Origin(WebUrl { text: [scheme, "://", authority].concat(), loopback })
    }

    /// Without a port that goes without saying.
    fn scheme_and_authority(&self) -> (&str, &str) {
        let (scheme, rest) = self.as_str().split_once("://").unwrap_or_default();
        let authority = rest.split('/').next().unwrap_or_default();
        (scheme, authority.strip_suffix(default_port(scheme)).unwrap_or(authority))
    }
}

/// The port that goes without saying, after its colon.
fn default_port(scheme: &str) -> &'static str {
    if scheme == "https" { ":443" } else { ":80" }
}

impl Origin {
    /// The origin.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether its pages come over a connection that is not encrypted: on this machine.
    pub(super) fn is_plain(&self) -> bool {
        self.as_str().starts_with("http://")
    }
}

impl FromStr for Origin {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url: WebUrl = text.parse()?;
        let (scheme, authority) = text.split_once("://").unwrap_or_default();
        if authority.contains(['/', '?']) || authority.ends_with(default_port(scheme)) {
            return Err(UrlError::NotAnOrigin);
        }
        Ok(Self(url))
    }
}

impl Audience {
    /// The most bytes an audience may have.
    pub const MAX_BYTES: usize = 256;

    /// The audience.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Issuer> for Audience {
    fn from(issuer: &Issuer) -> Self {
        Self(issuer.as_str().into())
    }
}

impl FromStr for WebUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return Err(UrlError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
            return Err(UrlError::Character);
        }
        let (encrypted, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = check_authority(authority)?;
        let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if encrypted || loopback { Ok(Self { text: text.into(), loopback }) } else { Err(UrlError::Scheme) }
    }
}

impl FromStr for Issuer {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url: WebUrl = text.parse()?;
        if text.len() > Audience::MAX_BYTES {
            Err(UrlError::Length)
        } else if text.contains('?') {
            Err(UrlError::Query)
        } else if text.ends_with('/') {
            Err(UrlError::TrailingSlash)
        } else {
            Ok(Self(url))
        }
    }
}

impl FromStr for Audience {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            Err(UrlError::Length)
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err(UrlError::Character)
        } else {
            Ok(Self(text.into()))
        }
    }
}

/// Checks `host[:port]` and returns the host, brackets included.
fn check_authority(authority: &str) -> Result<&str, UrlError> {
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    // The colons of an IPv6 address stand in brackets, so the port is what follows the last colon after them.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if !is_host(host) {
        return Err(UrlError::Host);
    }
    match port {
        Some(port) if !is_port(port) => Err(UrlError::Port),
        _ => Ok(host),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok() && !address.bytes().any(|byte| byte.is_ascii_uppercase());
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(allowed)
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

fn is_port(port: &str) -> bool {
    !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_accepted() {
        for (text, loopback) in [
            ("https://auth.example.com", false),
            ("https://auth.example.com:8443/base/path", false),
            ("https://xn--bcher-kva.example/x?y=z", false),
            ("https://[2001:db8::1]:443/x", false),
            ("http://localhost:8787", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:8787", true),
            ("https://localhost", true),
        ] {
            let url: WebUrl = text.parse().unwrap();
            assert_eq!((url.as_str(), url.is_loopback()), (text, loopback));
        }
    }

    #[test]
    fn urls_that_are_refused() {
        for (text, error) in [
            ("", UrlError::Length),
            ("auth.example.com", UrlError::Scheme),
            ("ftp://auth.example.com", UrlError::Scheme),
            ("HTTPS://auth.example.com", UrlError::Scheme),
            ("http://auth.example.com", UrlError::Scheme),
            ("http://localhost.example.com", UrlError::Scheme),
            ("http://127.0.0.1.example.com", UrlError::Scheme),
            ("http://127.0.0.2", UrlError::Scheme),
            ("http://0.0.0.0", UrlError::Scheme),
            ("http://localhost@example.com", UrlError::UserInfo),
            ("https://user:secret@example.com", UrlError::UserInfo),
            ("https://", UrlError::Host),
            ("https:///path", UrlError::Host),
            ("https://Auth.example.com", UrlError::Host),
            ("https://a..b", UrlError::Host),
            ("https://-a.b", UrlError::Host),
            ("https://a_b.c", UrlError::Host),
            ("https://[::1", UrlError::Host),
            ("https://[::g]", UrlError::Host),
            ("https://::1", UrlError::Host),
            ("https://a.b:", UrlError::Port),
            ("https://a.b:0", UrlError::Port),
            ("https://a.b:+1", UrlError::Port),
            ("https://a.b:65536", UrlError::Port),
            ("https://a.b:80a", UrlError::Port),
            ("https://a.b/#x", UrlError::Fragment),
            ("https://a.b/ x", UrlError::Character),
            ("https://a.b/\n", UrlError::Character),
            ("https://ä.b", UrlError::Character),
            ("https://a.b\\@c.d", UrlError::Character),
        ] {
            assert_eq!(text.parse::<WebUrl>(), Err(error), "{text}");
        }
        assert_eq!(
            alloc::format!("https://a.b/{}", "x".repeat(2_048)).parse::<WebUrl>(),
            Err(UrlError::Length)
        );
    }

    #[test]
    fn origins_are_as_browsers_write_them() {
        for text in [
            "https://a.b",
            "https://a.b:8443",
            "http://localhost:8787",
            "https://[2001:db8::1]",
            "http://a.b:80",
        ] {
            let origin = text.parse::<Origin>().map(|origin| origin.as_str() == text);
            assert_eq!(
                origin,
                if text == "http://a.b:80" { Err(UrlError::Scheme) } else { Ok(true) },
                "{text}"
            );
        }
        for (text, error) in [
            ("https://a.b/", UrlError::NotAnOrigin),
            ("https://a.b/x", UrlError::NotAnOrigin),
            ("https://a.b?x", UrlError::NotAnOrigin),
            ("https://a.b:443", UrlError::NotAnOrigin),
            ("http://localhost:80", UrlError::NotAnOrigin),
            ("null", UrlError::Scheme),
            ("*", UrlError::Scheme),
            ("https://*.a.b", UrlError::Host),
            ("https://A.b", UrlError::Host),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
        for (issuer, origin, host) in [
            ("https://a.b/x/y", "https://a.b", "a.b"),
            ("https://a.b:443/x", "https://a.b", "a.b"),
            ("https://a.b:8443", "https://a.b:8443", "a.b"),
            ("http://localhost:80", "http://localhost", "localhost"),
            ("https://[::1]/x", "https://[::1]", "[::1]"),
        ] {
            let issuer: Issuer = issuer.parse().unwrap();
            assert_eq!((issuer.origin().as_str(), issuer.host()), (origin, host));
        }
    }

    #[test]
    fn an_issuer_has_one_spelling() {
        for (text, error) in [
            ("https://a.b/", UrlError::TrailingSlash),
            ("https://a.b/x/", UrlError::TrailingSlash),
            ("https://a.b?", UrlError::Query),
            ("https://a.b/x?y", UrlError::Query),
            ("https://a.b#", UrlError::Fragment),
        ] {
            assert_eq!(text.parse::<Issuer>(), Err(error), "{text}");
        }
        let issuer: Issuer = "https://a.b/x".parse().unwrap();
        assert_eq!(issuer.join("/y").as_str(), "https://a.b/x/y");
    }
}
