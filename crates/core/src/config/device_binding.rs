//! The section `device_binding`: whether a session stays on the device that it was opened from.

use super::section::Section;

/// `device_binding`: what is compared with the device of a session's login, at every refresh and strict check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceBindingSettings {
    /// What is asked of the network; nothing unless `enabled`.
    pub network: TraitSettings,
    /// What is asked of the user agent; nothing unless `enabled`.
    pub user_agent: TraitSettings,
    /// How many leading bits of an IPv4 address are its network, 8 to 32, default 32. Also while nothing is compared,
    /// since every session records its network.
    pub ipv4_prefix_bits: u32,
    /// The same of an IPv6 address, 16 to 128, default 64.
    pub ipv6_prefix_bits: u32,
    /// Whether whoever calls `validate` over HTTP without saying for which client is that client, default no.
    pub caller_is_client: bool,
}

/// What is asked of one trait of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraitSettings {
    /// Whether another one is refused, default no.
    pub enforce: bool,
    /// Whether another one is noticed, default no.
    pub detect: bool,
}

impl DeviceBindingSettings {
    /// Whether anything is asked of devices.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.network != TraitSettings::default() || self.user_agent != TraitSettings::default()
    }

    pub(super) fn read(mut section: Section<'_>) -> Self {
        const FLAGS: [&str; 4] =
            ["enforce_network", "enforce_user_agent", "detect_network", "detect_user_agent"];
        let given = FLAGS.map(|name| section.has(name));
        let enabled = section.flag("enabled", false);
        let network = TraitSettings {
            enforce: section.flag("enforce_network", false),
            detect: section.flag("detect_network", false),
        };
        let user_agent = TraitSettings {
            enforce: section.flag("enforce_user_agent", false),
            detect: section.flag("detect_user_agent", false),
        };
        let detects = network.detect || user_agent.detect;
        if !enabled {
            for (name, _) in FLAGS.iter().zip(given).filter(|(_, given)| *given) {
                section.refuse(name, "has no effect unless device_binding.enabled is true");
            }
        } else if !detects && !network.enforce && !user_agent.enforce {
            section.refuse("enabled", "needs an enforce or a detect flag");
        }
        let unseen = enabled && !detects;
        let enforced = [("enforce_network", network.enforce), ("enforce_user_agent", user_agent.enforce)];
        for (name, _) in enforced.into_iter().filter(|(_, enforce)| unseen && *enforce) {
            section.refuse(name, "needs detect_network or detect_user_agent");
        }
        let asked = |of: TraitSettings| if enabled { of } else { TraitSettings::default() };
        Self {
            network: asked(network),
            user_agent: asked(user_agent),
            ipv4_prefix_bits: section.number("ipv4_prefix_bits", 32, 8..=32),
            ipv6_prefix_bits: section.number("ipv6_prefix_bits", 64, 16..=128),
            caller_is_client: section.flag("caller_is_client", false),
        }
    }
}
