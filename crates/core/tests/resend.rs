//! Mailing a sign-up's code again, and what a login may know of a sign-up that waits.
#![cfg(all(feature = "issue", feature = "password"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]

use postern_core::id::{AccountId, OperationId, RegistrationId, TenantId};
use postern_core::intake::{
    ClaimOutcome, ClaimRequest, ClaimSelector, NewSignUp, OpenSignUpOutcome, PendingSignUp, ResendOutcome,
    SignUpAddress, SignUpPolicy, SignUpWrites, claim_sign_up, open_sign_up, pending_password, resend_sign_up,
};
use postern_core::password::{PasswordHash, Pepper, Peppers};
use postern_core::secret::{Secret, SecretText};
use postern_core::time::{Seconds, UnixMillis};

const POLICY: fn() -> SignUpPolicy =
    || SignUpPolicy { resend_after: Seconds::new(60), ..SignUpPolicy::default() };

struct Address {
    tenant: TenantId,
    records: Vec<PendingSignUp>,
}

fn pepper() -> Pepper {
    Pepper::new(1, Secret::new([7; 32]))
}

fn registration(n: u8) -> RegistrationId {
    RegistrationId::from_bytes([n; 16])
}

fn text(text: &str) -> SecretText {
    SecretText::new(text.into())
}

fn at(second: u64) -> UnixMillis {
    UnixMillis::new(second * 1_000)
}

/// A hash that no password has; only its identity matters here.
fn password(n: u8) -> PasswordHash {
    let (salt, hash) = (data_encoding::BASE64_NOPAD.encode(&[n; 16]), "A".repeat(43));
    format!("$argon2id$v=19$m=8,t=1,p=1${salt}${hash}").parse().unwrap()
}

impl Address {
    fn new() -> Self {
        Self { tenant: "default".parse().unwrap(), records: vec![] }
    }

    fn address(&self) -> SignUpAddress<'_> {
        SignUpAddress { tenant: &self.tenant, kind: "email", identifier: "ada@example.com" }
    }

    fn store(&mut self, writes: SignUpWrites) {
        self.records.retain(|record| !writes.delete.contains(&record.registration_id));
        for put in writes.put {
            self.records.retain(|record| record.registration_id != put.registration_id);
            self.records.push(put);
        }
    }

    fn open(&mut self, n: u8, code: &str, with_password: bool, second: u64) {
        let code = text(code);
        let new = NewSignUp {
            registration_id: registration(n),
            code: &code,
            password: with_password.then(|| password(n)),
            display_name: None,
            username: None,
        };
        match open_sign_up(&self.records, &self.address(), new, &pepper(), at(second), &POLICY()) {
            OpenSignUpOutcome::Opened { writes, .. } => self.store(writes),
            OpenSignUpOutcome::AlreadyOpen { .. } => panic!("ids are fresh"),
        }
    }

    fn resend(&mut self, n: u8, code: &str, second: u64, by: u8) -> String {
        let code = text(code);
        let new = (registration(n), &code);
        let operation = OperationId::from_bytes([by; 16]);
        let outcome =
            resend_sign_up(&self.records, &self.address(), new, operation, &pepper(), at(second), &POLICY());
        match outcome {
            ResendOutcome::Resent { writes } => {
                assert!(writes.delete.is_empty() && writes.budget.is_none());
                self.store(writes);
                "resent".into()
            }
            ResendOutcome::Repeated => "repeated".into(),
            ResendOutcome::TooSoon { retry_after_seconds } => format!("wait {retry_after_seconds}"),
            ResendOutcome::Unknown => "unknown".into(),
        }
    }

    fn claim(&mut self, n: u8, code: &str, second: u64) -> bool {
        let code = text(code);
        let request = ClaimRequest {
            code: &code,
            selector: ClaimSelector::ByRegistration(registration(n)),
            account_id: AccountId::from_bytes([9; 16]),
            operation_id: OperationId::from_bytes([9; 16]),
        };
        let peppers = Peppers::new(Some(pepper()), vec![]);
        match claim_sign_up(&self.records, None, &self.address(), request, &peppers, at(second), &POLICY()) {
            ClaimOutcome::Claimed { writes, .. } => {
                self.store(writes);
                true
            }
            ClaimOutcome::Repeated { .. } => true,
            ClaimOutcome::Refused { writes, .. } => {
                self.store(writes);
                false
            }
        }
    }
}

#[test]
fn another_code_takes_the_place_of_the_first_and_waits_as_long() {
    let mut address = Address::new();
    address.open(1, "111111", true, 0);
    assert_eq!(address.resend(1, "222222", 59, 1), "wait 1");
    assert_eq!(address.resend(1, "222222", 60, 1), "resent");
    assert_eq!(address.resend(1, "333333", 61, 1), "repeated", "the same request with another draw");
    assert_eq!(address.resend(1, "333333", 61, 2), "wait 59");
    assert!(!address.claim(1, "111111", 62) && !address.claim(1, "333333", 62));
    // 15 minutes after the second mail, not the first.
    assert!(address.claim(1, "222222", 959));
}

#[test]
fn there_is_nothing_to_send_again_for_an_attempt_that_is_unknown_over_or_claimed() {
    let mut address = Address::new();
    assert_eq!(address.resend(1, "222222", 100, 1), "unknown");
    address.open(1, "111111", true, 0);
    address.open(2, "222222", true, 0);
    assert_eq!(address.resend(3, "333333", 100, 1), "unknown");
    assert_eq!(address.resend(1, "333333", 900, 1), "unknown", "expired");
    assert!(address.claim(2, "222222", 100));
    assert_eq!(address.resend(2, "333333", 200, 1), "unknown", "claimed");
    assert_eq!(address.resend(1, "333333", 200, 1), "unknown", "gone with the claim of the other");
}

#[test]
fn a_dead_attempt_lives_again_by_its_new_code_and_by_no_old_one() {
    let mut address = Address::new();
    address.open(1, "111111", true, 0);
    for _ in 0..5 {
        assert!(!address.claim(1, "999999", 1));
    }
    assert!(!address.claim(1, "111111", 2));
    assert_eq!(address.resend(1, "222222", 60, 1), "resent");
    assert!(!address.claim(1, "111111", 61));
    assert!(address.claim(1, "222222", 61));
}

#[test]
fn a_clock_that_fell_back_keeps_nobody_waiting() {
    let mut address = Address::new();
    address.open(1, "111111", true, 500);
    assert_eq!(address.resend(1, "222222", 400, 1), "resent");
}

#[test]
fn a_login_compares_with_the_newest_attempt_that_has_a_password_and_waits() {
    let mut address = Address::new();
    let pending =
        |address: &Address, second| pending_password(&address.records, at(second), &POLICY()).cloned();
    assert_eq!(pending(&address, 0), None);
    address.open(1, "111111", true, 0);
    address.open(2, "222222", true, 10);
    address.open(3, "333333", false, 20);
    assert_eq!(pending(&address, 30), Some(password(2)));
    assert_eq!(pending(&address, 909), Some(password(2)));
    assert_eq!(pending(&address, 910), None, "all are over");
    assert!(address.claim(1, "111111", 30));
    assert_eq!(pending(&address, 31), None, "there is an account now, or will be");
}
