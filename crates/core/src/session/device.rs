//! What a request says of its device.

use alloc::string::String;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// What a request says of the device it comes from: for people to recognise it by, and for a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceHint {
    /// The `User-Agent`, at most 256 bytes, without control characters.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// The network address, at most 64 bytes.
    #[serde(default)]
    pub ip: Option<String>,
}

impl DeviceHint {
    /// The most bytes kept of a user agent.
    pub const MAX_USER_AGENT_BYTES: usize = 256;
    /// The most bytes kept of a network address.
    pub const MAX_IP_BYTES: usize = 64;

    /// What to keep of these headers: the start of each, without control characters; nothing of an empty one.
    #[must_use]
    pub fn new(user_agent: Option<&str>, ip: Option<&str>) -> Self {
        Self {
            user_agent: user_agent.and_then(|text| keep(text, Self::MAX_USER_AGENT_BYTES)),
            ip: ip.and_then(|text| keep(text, Self::MAX_IP_BYTES)),
        }
    }

    /// The network address, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.ip.as_deref()?.parse().ok()
    }
}

fn keep(text: &str, max_bytes: usize) -> Option<String> {
    let mut kept = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if kept.len().saturating_add(character.len_utf8()) > max_bytes {
            break;
        }
        kept.push(character);
    }
    Some(kept).filter(|kept| !kept.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_short_and_printable() {
        let hint = DeviceHint::new(Some(&"ä".repeat(200)), Some("192.0.2.1\r\n"));
        assert_eq!(hint.user_agent.map(|text| text.len()), Some(256));
        assert_eq!(hint.ip.as_deref(), Some("192.0.2.1"));
        assert_eq!(DeviceHint::new(Some(""), Some("\n")), DeviceHint::default());
    }
}
