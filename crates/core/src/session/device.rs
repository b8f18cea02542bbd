//! What a request says of its device, and how much of that must not change.

use alloc::string::String;
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

/// Which device hints must stay as they were when the session was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceBinding {
    /// Refuse another user agent.
    pub user_agent: bool,
    /// Refuse another network address. Signs out every phone that leaves its network.
    pub ip: bool,
}

impl DeviceBinding {
    /// Whether a request from `presented` may use a session opened from `recorded`.
    ///
    /// What was not recorded was not bound, and binds nothing.
    #[must_use]
    pub fn allows(self, recorded: &DeviceHint, presented: &DeviceHint) -> bool {
        let same = |enforced: bool, recorded: &Option<String>, presented: &Option<String>| {
            !enforced || recorded.is_none() || recorded == presented
        };
        same(self.user_agent, &recorded.user_agent, &presented.user_agent)
            && same(self.ip, &recorded.ip, &presented.ip)
    }

    /// Whether every hint that must be bound is there.
    #[must_use]
    pub const fn can_bind(self, hint: &DeviceHint) -> bool {
        (!self.user_agent || hint.user_agent.is_some()) && (!self.ip || hint.ip.is_some())
    }
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

    #[test]
    fn a_binding_compares_only_what_it_enforces() {
        let home = DeviceHint::new(Some("a"), Some("1"));
        let moved = DeviceHint::new(Some("a"), Some("2"));
        let both = DeviceBinding { user_agent: true, ip: true };
        let agent = DeviceBinding { user_agent: true, ip: false };
        assert!(both.allows(&home, &home) && agent.allows(&home, &moved));
        assert!(DeviceBinding::default().allows(&home, &DeviceHint::default()));
        assert!(!both.allows(&home, &moved));
        assert!(!agent.allows(&home, &DeviceHint::default()), "a missing hint is another hint");
        assert!(both.allows(&DeviceHint::default(), &home), "nothing was bound");
        assert!(both.can_bind(&home) && !both.can_bind(&DeviceHint::new(Some("a"), None)));
        assert!(!agent.can_bind(&DeviceHint::new(None, Some("1"))));
    }
}
