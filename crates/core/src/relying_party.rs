//! Who asks for passkeys: a relying party by its id, and the origins whose pages speak for it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
#[cfg(feature = "issue")]
use sha2::{Digest as _, Sha256};

/// The most origins.
const MAX_ORIGINS: usize = 16;
/// The most bytes of a domain (RFC 1035 §2.3.4).
const MAX_DOMAIN_BYTES: usize = 253;
/// What origins of Android apps begin with; the SHA-256 of the app's certificate follows, in base64url.
const ANDROID: &str = "android:apk-key-hash:";

/// A relying party. Passkeys are bound to its id for ever, and to no origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    id: String,
    origins: Vec<String>,
}

/// Why there is no such relying party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelyingPartyError {
    /// The id is not a domain in lower case with a dot, nor `localhost`.
    Id,
    /// An origin is not `https` with a host and perhaps a port, nor `http` on `localhost`, nor that of an Android app.
    Origin,
    /// The host of an origin is neither the id nor a domain below it.
    OriginElsewhere,
    /// There are none, more than 16, or one twice.
    Origins,
}

impl fmt::Display for RelyingPartyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "must be a domain in lower case, such as example.com, or localhost",
            Self::Origin => {
                "must be an origin as browsers write it: https://, a host, and a port other than 443 if there is one \
                 (http:// only on localhost); or android:apk-key-hash: with the hash"
            }
            Self::OriginElsewhere => "must have the relying party's id as its host, or end with a dot and that",
            Self::Origins => "must list 1 to 16 origins, none twice",
        })
    }
}

impl core::error::Error for RelyingPartyError {}

impl RelyingParty {
    /// A relying party. That its id is not a public suffix, such as `co.uk`, is left to browsers, which refuse it.
    ///
    /// # Errors
    ///
    /// [`RelyingPartyError`], the first that is found.
    pub fn new(id: &str, origins: &[&str]) -> Result<Self, RelyingPartyError> {
        if id.len() > MAX_DOMAIN_BYTES || !is_domain(id) || !(id.contains('.') || id == "localhost") {
            return Err(RelyingPartyError::Id);
        }
        for origin in origins {
            Self::check_origin(id, origin)?;
        }
        let is_twice = |at: usize| origins.iter().take(at).any(|other| Some(other) == origins.get(at));
        if origins.is_empty() || origins.len() > MAX_ORIGINS || (0..origins.len()).any(is_twice) {
            return Err(RelyingPartyError::Origins);
        }
        Ok(Self { id: id.into(), origins: origins.iter().map(|origin| String::from(*origin)).collect() })
    }

    /// Whether pages of an origin may use passkeys of this id.
    ///
    /// # Errors
    ///
    /// [`RelyingPartyError::Origin`], [`RelyingPartyError::OriginElsewhere`].
    pub fn check_origin(id: &str, origin: &str) -> Result<(), RelyingPartyError> {
        if let Some(hash) = origin.strip_prefix(ANDROID) {
            let is_hash = crate::codec::base64url::decode_array::<32>(hash.as_bytes()).is_ok();
            return if is_hash { Ok(()) } else { Err(RelyingPartyError::Origin) };
        }
        let (scheme, authority) = origin.split_once("://").ok_or(RelyingPartyError::Origin)?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let is_here = host == "localhost";
        let default_port = match scheme {
            "https" => "443",
            "http" if is_here => "80",
            _ => return Err(RelyingPartyError::Origin),
        };
        // As browsers write it: without zeros in front, and without the port that goes without saying.
        let is_port = |port: &str| {
            port != default_port && !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_domain(host) || port.is_some_and(|port| !is_port(port) || port.parse::<u16>().is_err()) {
            return Err(RelyingPartyError::Origin);
        }
        let is_below = host.strip_suffix(id).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if is_below { Ok(()) } else { Err(RelyingPartyError::OriginElsewhere) }
    }

    /// The id: a domain.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The origins, 1 to 16.
    #[must_use]
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    #[cfg(feature = "issue")]
    pub(crate) fn has_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|ours| ours == origin)
    }

    /// What authenticators write in place of the id.
    #[cfg(feature = "issue")]
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.id.as_bytes()).into()
    }
}

/// Labels in lower case with dots between them. The last is no number: that would be an address.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(is_number)
}
