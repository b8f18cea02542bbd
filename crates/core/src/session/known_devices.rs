//! The devices that an account was lately signed in to from, so that its owner hears of another.

use super::fingerprint::DeviceFingerprint;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The devices of an account's latest logins, known by their fingerprints alone; the latest last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KnownDevices {
    #[serde(default)]
    seen: Vec<DeviceFingerprint>,
}

/// Whether an account has seen a device before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquaintance {
    /// It is the first device that is remembered: of the login that came with the sign-up, or of one before devices were
    /// remembered. There is nothing to compare it with.
    First,
    /// It is one of those that are remembered.
    Known,
    /// It is another: somebody signed in from a network, or with a user agent, that is none of theirs.
    New,
}

impl KnownDevices {
    /// How many are remembered; the one that was not seen for the longest time gives way.
    pub const MOST: usize = 16;

    /// Whether the device of a new session was seen before, and the devices to be stored with the session; `None` if
    /// that changes nothing.
    #[must_use]
    pub fn meet(mut self, device: &DeviceFingerprint) -> (Acquaintance, Option<Self>) {
        if self.seen.last().is_some_and(|latest| latest.ct_eq(device)) {
            return (Acquaintance::Known, None);
        }
        let before = self.seen.len();
        self.seen.retain(|known| !known.ct_eq(device));
        let acquaintance = match (before, self.seen.len() < before) {
            (0, _) => Acquaintance::First,
            (_, true) => Acquaintance::Known,
            (_, false) => Acquaintance::New,
        };
        let too_many = self.seen.len().saturating_add(1).saturating_sub(Self::MOST);
        self.seen.drain(..too_many);
        self.seen.push(device.clone());
        (acquaintance, Some(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Acquaintance::{First, Known, New};

    /// What becomes of each device in turn, by (network, user agent).
    fn met(devices: &[(Option<u8>, Option<u8>)]) -> (Vec<Acquaintance>, KnownDevices) {
        let mut known = KnownDevices::default();
        let mut told = Vec::new();
        for (network, agent) in devices {
            let device = DeviceFingerprint::of_bytes(*network, *agent);
            let (acquaintance, next) = known.clone().meet(&device);
            told.push(acquaintance);
            known = next.unwrap_or(known);
        }
        (told, known)
    }

    #[test]
    fn a_device_is_its_network_and_its_user_agent_together() {
        let home = (Some(1), Some(1));
        for (other, expected) in [
            (home, Known),
            ((Some(2), Some(1)), New),
            ((Some(1), Some(2)), New),
            ((Some(2), Some(2)), New),
            ((None, Some(1)), New),
            ((Some(1), None), New),
            ((None, None), New),
        ] {
            assert_eq!(met(&[home, other]).0, [First, expected], "{other:?}");
        }
        assert_eq!(met(&[(None, None), (None, None)]).0, [First, Known]);
    }

    #[test]
    fn a_device_that_comes_back_is_remembered_longest() {
        let device = |id: usize| (Some(u8::try_from(id).unwrap()), Some(0));
        let mut devices: Vec<_> = (0..KnownDevices::MOST).map(device).collect();
        devices.push(device(0));
        devices.push(device(100));
        let (told, known) = met(&devices);
        assert_eq!(told.iter().filter(|one| **one == New).count(), KnownDevices::MOST);
        assert_eq!(known.seen.len(), KnownDevices::MOST);
        let is = |id| known.clone().meet(&DeviceFingerprint::of_bytes(device(id).0, Some(0))).0;
        assert_eq!((is(0), is(1), is(2), is(100)), (Known, New, Known, Known), "the second has given way");
    }

    #[test]
    fn however_many_there_are_few_are_stored() {
        let devices: Vec<_> = (0..=255).map(|id| (Some(id), None)).collect();
        let (told, known) = met(&devices);
        assert_eq!((told.len(), known.seen.len()), (256, KnownDevices::MOST));
        let text = serde_json::to_string(&known).unwrap();
        let again: KnownDevices = serde_json::from_str(&text).unwrap();
        assert_eq!(again.meet(&DeviceFingerprint::of_bytes(Some(255), None)).0, Known);
        assert_eq!(serde_json::from_str::<KnownDevices>("{}").unwrap().seen.len(), 0);
    }
}
