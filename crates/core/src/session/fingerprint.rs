//! By what a session recognises its device again, without saying what that was.

use super::device::DeviceHint;
use super::stored;
use crate::id::AccountId;
use crate::secret::Secret;
use core::net::IpAddr;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How many bytes are kept of each digest (RFC 2104 §5).
const DIGEST_BYTES: usize = 16;
const DOMAIN: &[u8] = b"postern device fingerprint v1";

/// How much of an address says which network it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkPrefixes {
    /// Leading bits of an IPv4 address, 8 to 32. Any other number counts as the nearest of these.
    pub ipv4_bits: u8,
    /// Leading bits of an IPv6 address, 16 to 128, likewise.
    pub ipv6_bits: u8,
}

impl Default for NetworkPrefixes {
    /// A whole IPv4 address, and the /64 that one IPv6 customer has (RFC 6177).
    fn default() -> Self {
        Self { ipv4_bits: 32, ipv6_bits: 64 }
    }
}

impl NetworkPrefixes {
    /// The fewest and the most bits of an IPv4 address.
    pub const IPV4_BITS: core::ops::RangeInclusive<u8> = 8..=32;
    /// The fewest and the most bits of an IPv6 address.
    pub const IPV6_BITS: core::ops::RangeInclusive<u8> = 16..=128;

    /// The address without the bits that change within a network, in 16 bytes, with the family and the number of
    /// bits that were kept. An IPv4 address that came over an IPv6 socket is an IPv4 address.
    fn network_of(self, address: IpAddr) -> [u8; 18] {
        let (family, bits, all, width) = match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = self.ipv4_bits.clamp(*Self::IPV4_BITS.start(), *Self::IPV4_BITS.end());
                (4, bits, u128::from(address.to_bits()), 32_u8)
            }
            IpAddr::V6(address) => {
                let bits = self.ipv6_bits.clamp(*Self::IPV6_BITS.start(), *Self::IPV6_BITS.end());
                (6, bits, address.to_bits(), 128_u8)
            }
        };
        let dropped = u32::from(width.saturating_sub(bits));
        let kept = all.checked_shr(dropped).unwrap_or(0);
        let mut network = [0; 18];
        for (slot, byte) in network.iter_mut().zip([family, bits].into_iter().chain(kept.to_be_bytes())) {
            *slot = byte;
        }
        network
    }
}

/// The key of an account's fingerprints, which only the deployment can derive: two accounts on one device have nothing
/// in common to whoever reads them.
#[derive(Clone, Debug)]
pub struct FingerprintKey(Secret<32>);

impl FingerprintKey {
    /// The key made of these bytes, which serve nothing else.
    #[must_use]
    pub const fn new(key: Secret<32>) -> Self {
        Self(key)
    }

    /// HMAC-SHA-256 (RFC 2104) over domain, account, the name of the hint and the hint, cut to 16 bytes. The hint is
    /// last and its name has a length of its own before it, so that no two inputs are one text.
    fn digest(&self, account: &AccountId, name: &str, hint: &[u8]) -> Secret<DIGEST_BYTES> {
        let mut block = Zeroizing::new([0u8; 64]);
        if let Some(head) = block.first_chunk_mut::<32>() {
            *head = *self.0.expose();
        }
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        for part in [DOMAIN, account.as_bytes(), &[length], name.as_bytes(), hint] {
            mac.update(part);
        }
        let full = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        Secret::new(full.first_chunk().copied().unwrap_or_default())
    }
}

/// Keyed digests of the network and of the user agent that a request came from; `None` for what it did not say.
///
/// In JSON each is base64url of 16 bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeviceFingerprint {
    #[serde(default, with = "stored::optional_secret")]
    network: Option<Secret<DIGEST_BYTES>>,
    #[serde(default, with = "stored::optional_secret")]
    user_agent: Option<Secret<DIGEST_BYTES>>,
}

impl DeviceFingerprint {
    /// The fingerprint of what a request says of its device. What is no network address counts as none; of a user
    /// agent, what [`DeviceHint`] keeps counts.
    #[must_use]
    pub fn of(
        hint: &DeviceHint,
        account: &AccountId,
        key: &FingerprintKey,
        prefixes: NetworkPrefixes,
    ) -> Self {
        let network = hint.address().map(|address| prefixes.network_of(address));
        Self {
            network: network.map(|network| key.digest(account, "network", &network)),
            user_agent: hint.user_agent.as_ref().map(|it| key.digest(account, "user_agent", it.as_bytes())),
        }
    }

    /// Whether both say the same, in time that does not depend on what.
    pub(super) fn ct_eq(&self, other: &Self) -> bool {
        let same =
            |one: Option<&Secret<DIGEST_BYTES>>, other: Option<&Secret<DIGEST_BYTES>>| match (one, other) {
                (Some(one), Some(other)) => one.ct_eq(other),
                (None, None) => true,
                _ => false,
            };
        same(self.network(), other.network()) && same(self.user_agent(), other.user_agent())
    }

    pub(super) const fn network(&self) -> Option<&Secret<DIGEST_BYTES>> {
        self.network.as_ref()
    }

    pub(super) const fn user_agent(&self) -> Option<&Secret<DIGEST_BYTES>> {
        self.user_agent.as_ref()
    }

    #[cfg(test)]
    pub(super) fn of_bytes(network: Option<u8>, user_agent: Option<u8>) -> Self {
        let digest = |byte: Option<u8>| byte.map(|byte| Secret::new([byte; DIGEST_BYTES]));
        Self { network: digest(network), user_agent: digest(user_agent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);

    fn key() -> FingerprintKey {
        FingerprintKey::new(Secret::new([7; 32]))
    }

    fn of(hint: &DeviceHint, prefixes: NetworkPrefixes) -> DeviceFingerprint {
        DeviceFingerprint::of(hint, &ACCOUNT, &key(), prefixes)
    }

    /// Whether two addresses are of one network.
    fn together(one: &str, other: &str, prefixes: NetworkPrefixes) -> bool {
        let network = |ip| of(&DeviceHint::new(None, Some(ip)), prefixes).network.unwrap();
        network(one).ct_eq(&network(other))
    }

    #[test]
    fn a_network_is_an_address_or_as_much_of_it_as_is_wanted() {
        let whole = NetworkPrefixes::default();
        let wide = NetworkPrefixes { ipv4_bits: 24, ipv6_bits: 48 };
        for (one, other, by_default, widened) in [
            ("192.0.2.1", "192.0.2.1", true, true),
            ("192.0.2.1", "192.0.2.2", false, true),
            ("192.0.2.1", "192.0.3.1", false, false),
            ("192.0.2.1", "::ffff:192.0.2.1", true, true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::", true, true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false, true),
            ("2001:db8:0:1::1", "2001:db8:1:1::1", false, false),
            ("::", "0.0.0.0", false, false),
        ] {
            assert_eq!(together(one, other, whole), by_default, "{one} {other}");
            assert_eq!(together(one, other, wide), widened, "{one} {other}");
        }
        let beyond = NetworkPrefixes { ipv4_bits: 255, ipv6_bits: 0 };
        assert!(!together("192.0.2.1", "192.0.2.2", beyond), "more than all is all");
        assert!(!together("2001:db8::", "3001:db8::", beyond), "and never nothing");
    }

    #[test]
    fn a_fingerprint_is_of_one_account_one_key_and_one_rule() {
        let hint = DeviceHint::new(Some("Firefox"), Some("192.0.2.1"));
        let home = of(&hint, NetworkPrefixes::default());
        let (network, user_agent) = (home.network.as_ref().unwrap(), home.user_agent.as_ref().unwrap());
        let other_account = AccountId::from_bytes([2; 16]);
        let other_key = FingerprintKey::new(Secret::new([8; 32]));
        let prefixes = NetworkPrefixes::default();
        for other in [
            DeviceFingerprint::of(&hint, &other_account, &key(), prefixes),
            DeviceFingerprint::of(&hint, &ACCOUNT, &other_key, prefixes),
        ] {
            assert!(!other.network.unwrap().ct_eq(network) && !other.user_agent.unwrap().ct_eq(user_agent));
        }
        let shorter = of(&hint, NetworkPrefixes { ipv4_bits: 24, ..prefixes });
        assert!(!shorter.network.unwrap().ct_eq(network), "another prefix is another network");
        let swapped = of(&DeviceHint::new(Some("192.0.2.1"), None), prefixes);
        assert!(!swapped.user_agent.unwrap().ct_eq(network), "an agent is no network");
    }

    #[test]
    fn what_is_not_said_is_not_there() {
        for (agent, ip) in
            [(None, None), (Some(""), Some("")), (Some("\n"), Some("local")), (None, Some("192.0.2"))]
        {
            let fingerprint = of(&DeviceHint::new(agent, ip), NetworkPrefixes::default());
            assert!(fingerprint.network.is_none() && fingerprint.user_agent.is_none(), "{agent:?} {ip:?}");
        }
    }

    #[test]
    fn it_shows_neither_address_nor_agent_and_survives_storage() {
        let hint = DeviceHint::new(Some("Firefox"), Some("192.0.2.1"));
        let fingerprint = of(&hint, NetworkPrefixes::default());
        let text = serde_json::to_string(&fingerprint).unwrap();
        for leak in ["Firefox", "192", "wAACAQ"] {
            assert!(!text.contains(leak) && !format!("{fingerprint:?}").contains(leak), "{text}");
        }
        let again: DeviceFingerprint = serde_json::from_str(&text).unwrap();
        assert!(again.network.unwrap().ct_eq(fingerprint.network.as_ref().unwrap()));
        assert!(again.user_agent.unwrap().ct_eq(fingerprint.user_agent.as_ref().unwrap()));
        let none: DeviceFingerprint = serde_json::from_str("{}").unwrap();
        assert!(none.network.is_none() && none.user_agent.is_none());
        assert!(serde_json::from_str::<DeviceFingerprint>(r#"{"network":"AAAA"}"#).is_err());
    }
}
