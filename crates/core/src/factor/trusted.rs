//! Devices on which a second factor was shown and is not asked for again for a while. Each has a secret of its own, which
//! stands behind a password alone; what it opens has shown one factor and says so.

use super::record::FactorRecord;
use crate::id::{AccountId, TenantId};
use crate::identifier::length_prefixed;
use crate::intake::{CodeBinding, CodeDigest, CodePurpose};
use crate::password::{Pepper, Peppers};
use crate::secret::Secret;
use crate::session::{DeviceBinding, DeviceFingerprint};
use crate::time::UnixMillis;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Trusted devices of one account; the oldest goes when another comes.
const MOST_TRUSTED: usize = 10;

/// What is stored of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrustedDevice {
    /// Its secret, digested.
    pub digest: CodeDigest,
    /// The pepper of the digest.
    pub pepper_id: u32,
    /// What the device is recognised by, where sessions are bound to theirs.
    pub fingerprint: DeviceFingerprint,
    /// The first moment at which it is forgotten.
    pub expires_at: UnixMillis,
}

/// The secret of a device with what it is bound to.
#[derive(Clone, Copy, Debug)]
pub struct TrustedDeviceId<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The account that trusts it.
    pub account: &'a AccountId,
    /// 32 bytes, which only the device has.
    pub secret: &'a Secret<32>,
}

impl TrustedDeviceId<'_> {
    /// What is stored of it.
    #[must_use]
    pub fn digest(&self, pepper: &Pepper) -> CodeDigest {
        let subject = length_prefixed(&[self.account.as_bytes(), b"trusted device"]);
        let purpose = CodePurpose::SecondFactor;
        let binding = CodeBinding { purpose, tenant: self.tenant, subject: &subject };
        CodeDigest::compute(pepper, &binding, self.secret.expose())
    }
}

impl FactorRecord {
    /// The record with one more trusted device, without those that are over, and without the oldest of too many.
    #[must_use]
    pub fn trusting(&self, device: TrustedDevice, now: UnixMillis) -> Self {
        let live =
            self.trusted.iter().filter(|other| now < other.expires_at && !other.digest.ct_eq(&device.digest));
        let mut trusted: Vec<TrustedDevice> = live.cloned().collect();
        let surplus = trusted.len().saturating_add(1).saturating_sub(MOST_TRUSTED);
        trusted.drain(..surplus.min(trusted.len()));
        trusted.push(device);
        Self { trusted, ..self.clone() }
    }

    /// Whether a device is trusted, used where `fingerprint` says.
    #[must_use]
    pub fn trusts(
        &self,
        id: TrustedDeviceId<'_>,
        fingerprint: &DeviceFingerprint,
        binding: DeviceBinding,
        peppers: &Peppers,
        now: UnixMillis,
    ) -> bool {
        self.trusted.iter().any(|device| {
            let pepper = peppers.find(device.pepper_id).filter(|_| now < device.expires_at);
            pepper.is_some_and(|pepper| id.digest(pepper).ct_eq(&device.digest))
                && !binding.judge(&device.fingerprint, Some(fingerprint)).is_rejected()
        })
    }

    /// The record after a change of password, factor or status, or the end of all sessions: what was begun or trusted
    /// before stands no more. There is no trusted device, no login that waits for its second factor, and no code that was
    /// sent within a session; logins that were answered are kept, for an answer that got lost.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.challenges.retain(|challenge| challenge.answered_by.is_some());
        Self { trusted: Vec::new(), step_up: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::BindingRule;
    use crate::time::Seconds;
    use std::vec;

    const NOW: UnixMillis = UnixMillis::new(1_000_000);

    fn pepper(id: u32) -> Pepper {
        Pepper::new(id, Secret::new([7; 32]))
    }

    fn peppers() -> Peppers {
        Peppers::new(Some(pepper(1)), vec![])
    }

    fn device(secret: u8, expires_at: UnixMillis) -> TrustedDevice {
        let (tenant, account) = ("acme".parse().unwrap(), AccountId::from_bytes([1; 16]));
        let secret = Secret::new([secret; 32]);
        let id = TrustedDeviceId { tenant: &tenant, account: &account, secret: &secret };
        TrustedDevice {
            digest: id.digest(&pepper(1)),
            pepper_id: 1,
            fingerprint: DeviceFingerprint::default(),
            expires_at,
        }
    }

    fn trusts(record: &FactorRecord, tenant: &str, account: u8, secret: u8, at: UnixMillis) -> bool {
        let (tenant, account) = (tenant.parse().unwrap(), AccountId::from_bytes([account; 16]));
        let secret = Secret::new([secret; 32]);
        let id = TrustedDeviceId { tenant: &tenant, account: &account, secret: &secret };
        record.trusts(id, &DeviceFingerprint::default(), DeviceBinding::default(), &peppers(), at)
    }

    #[test]
    fn a_device_is_trusted_by_its_account_for_its_time() {
        let until = NOW.plus(Seconds::new(60));
        let record = FactorRecord::default().trusting(device(5, until), NOW);
        assert!(trusts(&record, "acme", 1, 5, NOW));
        assert!(!trusts(&record, "other", 1, 5, NOW), "another tenant");
        assert!(!trusts(&record, "acme", 2, 5, NOW), "another account");
        assert!(!trusts(&record, "acme", 1, 6, NOW), "another secret");
        assert!(!trusts(&record, "acme", 1, 5, until), "its time is over");
        assert!(!trusts(&record.clone().settled(), "acme", 1, 5, NOW));
        let mut rotated = record;
        rotated.trusted[0].pepper_id = 2;
        assert!(!trusts(&rotated, "acme", 1, 5, NOW), "a pepper that is gone");
    }

    #[test]
    fn where_sessions_are_bound_an_unknown_device_is_not_trusted() {
        let record = FactorRecord::default().trusting(device(5, NOW.plus(Seconds::new(60))), NOW);
        let (tenant, account) = ("acme".parse().unwrap(), AccountId::from_bytes([1; 16]));
        let secret = Secret::new([5; 32]);
        let id = TrustedDeviceId { tenant: &tenant, account: &account, secret: &secret };
        let rule = BindingRule { enforce: true, detect: true };
        let bound = DeviceBinding { network: rule, ..DeviceBinding::default() };
        assert!(!record.trusts(id, &DeviceFingerprint::default(), bound, &peppers(), NOW));
    }

    #[test]
    fn there_are_ten_and_none_that_is_over() {
        let until = |seconds: u32| NOW.plus(Seconds::new(seconds));
        let mut record = FactorRecord::default();
        for number in 0..12 {
            record = record.trusting(device(number, until(60)), NOW);
        }
        assert_eq!(record.trusted.len(), 10);
        assert!(!trusts(&record, "acme", 1, 1, NOW) && trusts(&record, "acme", 1, 2, NOW));
        let again = record.trusting(device(11, until(90)), NOW);
        assert_eq!(again.trusted.len(), 10, "the same once more");
        assert_eq!(again.trusting(device(20, until(200)), until(60)).trusted.len(), 2);
    }
}
