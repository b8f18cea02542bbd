//! Codes, links and the single steps of a sign-up.
#![cfg(all(feature = "issue", feature = "password"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]

use postern_core::entropy::Random;
use postern_core::id::{AccountId, OperationId, RegistrationId, TenantId};
use postern_core::intake::*;
use postern_core::password::{PasswordHash, Pepper, Peppers};
use postern_core::secret::{Secret, SecretText};
use postern_core::time::{Seconds, UnixMillis};
use serde_json::Value;

const CODE_DIGEST: &str = include_str!("../../../tests/vectors/intake/code_digest.json");
const LINK_TOKEN: &str = include_str!("../../../tests/vectors/intake/link_token.json");

fn bytes(hex: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_str().unwrap().as_bytes()).unwrap()
}

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

fn pepper(id: u32) -> Pepper {
    Pepper::new(id, Secret::new([id.to_le_bytes()[0]; 32]))
}

fn peppers() -> Peppers {
    Peppers::new(Some(pepper(2)), vec![pepper(1)])
}

fn text(text: &str) -> SecretText {
    SecretText::new(text.into())
}

fn operation(n: u8) -> OperationId {
    OperationId::from_bytes([n; 16])
}

fn password(n: u8) -> PasswordHash {
    let (salt, hash) = (data_encoding::BASE64_NOPAD.encode(&[n; 16]), "A".repeat(43));
    format!("$argon2id$v=19$m=8,t=1,p=1${salt}${hash}").parse().unwrap()
}

#[test]
fn digests_are_those_of_another_implementation() {
    let file: Value = serde_json::from_str(CODE_DIGEST).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        let pepper = Pepper::new(1, Secret::from_slice(&bytes(&vector["key_hex"])).unwrap());
        let purpose: CodePurpose = serde_json::from_value(vector["purpose"].clone()).unwrap();
        assert_eq!(purpose.as_str(), vector["purpose"]);
        let tenant = vector["tenant"].as_str().unwrap().parse().unwrap();
        let subject = bytes(&vector["subject_hex"]);
        let binding = CodeBinding { purpose, tenant: &tenant, subject: &subject };
        let digest = CodeDigest::compute(&pepper, &binding, &bytes(&vector["secret_hex"]));
        assert_eq!(digest.as_bytes().to_vec(), bytes(&vector["digest_hex"]));
    }
}

#[test]
fn a_digest_is_bound_to_every_part_of_what_it_is_for() {
    let (one, other) = (tenant(), "other".parse().unwrap());
    let digest = |id, purpose, tenant, subject: &[u8], code: &[u8]| {
        CodeDigest::compute(&pepper(id), &CodeBinding { purpose, tenant, subject }, code)
    };
    let right = digest(1, CodePurpose::Login, &one, b"subject", b"123456");
    assert!(right.ct_eq(&digest(1, CodePurpose::Login, &one, b"subject", b"123456")));
    for wrong in [
        digest(2, CodePurpose::Login, &one, b"subject", b"123456"),
        digest(1, CodePurpose::SignUp, &one, b"subject", b"123456"),
        digest(1, CodePurpose::Login, &other, b"subject", b"123456"),
        digest(1, CodePurpose::Login, &one, b"subjec", b"t123456"),
        digest(1, CodePurpose::Login, &one, b"subject1", b"23456"),
        digest(1, CodePurpose::Login, &one, b"subject", b"123457"),
        digest(1, CodePurpose::Login, &one, b"subject", b""),
    ] {
        assert!(!right.ct_eq(&wrong));
    }
}

#[test]
fn a_link_token_has_one_text() {
    let file: Value = serde_json::from_str(LINK_TOKEN).unwrap();
    for vector in file["accept"].as_array().unwrap() {
        let given = vector["text"].as_str().unwrap();
        let token = LinkToken::parse(&text(given)).unwrap();
        assert_eq!(token.selector().to_vec(), bytes(&vector["selector_hex"]));
        assert_eq!(token.secret().expose().to_vec(), bytes(&vector["secret_hex"]));
        assert_eq!(token.to_text().expose(), given);
        let made = LinkToken::new(*token.selector(), Random::new(*token.secret().expose()));
        assert_eq!(made.to_text().expose(), given);
    }
    for vector in file["reject"].as_array().unwrap() {
        let error = LinkToken::parse(&text(vector["text"].as_str().unwrap())).unwrap_err();
        assert_eq!(format!("{error:?}"), vector["error"].as_str().unwrap(), "{}", vector["text"]);
    }
}

struct Consumer {
    tenant: TenantId,
    record: Option<OneTimeSecret>,
    policy: UsePolicy,
}

impl Consumer {
    fn new(policy: UsePolicy) -> Self {
        let tenant = tenant();
        let binding = CodeBinding { purpose: CodePurpose::SetPassword, tenant: &tenant, subject: b"account" };
        let record = OneTimeSecret::new(&pepper(1), &binding, b"right", UnixMillis::new(0), Seconds::new(60));
        Self { tenant, record: Some(record), policy }
    }

    /// Presents a secret as operation `n`; says what came of it, and stores what has to be stored.
    fn present(&mut self, secret: &[u8], subject: &[u8], second: u64, n: u8) -> String {
        let (purpose, now) = (CodePurpose::SetPassword, UnixMillis::new(second * 1000));
        let binding = CodeBinding { purpose, tenant: &self.tenant, subject };
        let record = self.record.as_ref();
        match consume(record, &binding, secret, operation(n), &peppers(), now, &self.policy) {
            ConsumeOutcome::Consumed { write } => {
                let used = write.used.unwrap();
                self.record = Some(write);
                format!("consumed by {}", used.operation_id.as_bytes()[0])
            }
            ConsumeOutcome::Repeated { used } => format!("repeats {}", used.operation_id.as_bytes()[0]),
            ConsumeOutcome::Refused { reason, write } => {
                assert_eq!(reason.public_code(), "code_invalid");
                if write.is_some() {
                    self.record = write;
                }
                reason.as_str().into()
            }
        }
    }
}

#[test]
fn a_code_works_once() {
    let mut code = Consumer::new(UsePolicy::CODE);
    assert_eq!(code.present(b"wrong", b"account", 1, 1), "code_wrong");
    assert_eq!(code.present(b"right", b"somebody", 1, 1), "code_wrong");
    assert_eq!(code.present(b"right", b"account", 1, 2), "consumed by 2");
    assert_eq!(code.present(b"right", b"account", 1, 3), "code_used");
    assert_eq!(
        code.present(b"right", b"account", 1, 2),
        "repeats 2",
        "the same request, whose answer was lost"
    );
    assert_eq!(code.present(b"wrong", b"account", 1, 2), "code_wrong");
}

#[test]
fn a_link_repeats_its_first_use_for_its_window_and_nothing_else() {
    let mut link = Consumer::new(UsePolicy::LINK);
    assert_eq!(link.present(b"right", b"account", 59, 1), "consumed by 1");
    assert_eq!(link.present(b"right", b"account", 60, 2), "repeats 1");
    assert_eq!(link.present(b"wrong", b"account", 60, 2), "code_wrong");
    assert_eq!(link.present(b"right", b"account", 658, 3), "repeats 1");
    assert_eq!(link.present(b"right", b"account", 659, 4), "code_used");
}

#[test]
fn expiry_is_the_first_moment_at_which_it_no_longer_works() {
    assert_eq!(Consumer::new(UsePolicy::CODE).present(b"right", b"account", 60, 1), "code_expired");
    assert_eq!(Consumer::new(UsePolicy::CODE).present(b"right", b"account", 59, 1), "consumed by 1");
}

#[test]
fn the_right_code_does_not_revive_what_five_wrong_ones_killed() {
    let mut code = Consumer::new(UsePolicy::CODE);
    for _ in 0..5 {
        assert_eq!(code.present(b"wrong", b"account", 1, 1), "code_wrong");
    }
    assert_eq!(code.present(b"right", b"account", 1, 1), "attempts_exhausted");
    let mut link = Consumer::new(UsePolicy::LINK);
    for _ in 0..50 {
        assert_eq!(link.present(b"wrong", b"account", 1, 1), "code_wrong");
    }
    assert_eq!(link.present(b"right", b"account", 1, 1), "consumed by 1");
}

#[test]
fn a_secret_of_another_purpose_or_a_lost_pepper_or_none_at_all_is_refused() {
    let mut consumer = Consumer::new(UsePolicy::LINK);
    let tenant = tenant();
    let binding = CodeBinding { purpose: CodePurpose::Login, tenant: &tenant, subject: b"account" };
    let now = UnixMillis::new(1);
    let outcome = |record, binding, peppers| match consume(
        record,
        &binding,
        b"right",
        operation(1),
        peppers,
        now,
        &UsePolicy::LINK,
    ) {
        ConsumeOutcome::Refused { reason, .. } => reason.as_str(),
        _ => "accepted",
    };
    let record = consumer.record.clone();
    let (all, without) = (peppers(), Peppers::new(Some(pepper(2)), vec![]));
    assert_eq!(outcome(record.as_ref(), binding, &all), "code_unknown");
    let right = CodeBinding { purpose: CodePurpose::SetPassword, ..binding };
    assert_eq!(outcome(record.as_ref(), right, &without), "code_wrong");
    assert_eq!(outcome(record.as_ref(), right, &all), "accepted");
    consumer.record = None;
    assert_eq!(consumer.present(b"right", b"account", 1, 1), "code_unknown");
}

/// The records of one address, and everything that goes with them.
struct Address {
    tenant: TenantId,
    records: Vec<PendingSignUp>,
    budget: Option<GuessBudget>,
    policy: SignUpPolicy,
    /// How often the budget was stored.
    budgets_stored: u32,
}

fn code_of(n: u8) -> SecretText {
    text(&format!("{:06}", u32::from(n) * 1111))
}

fn registration(n: u8) -> RegistrationId {
    RegistrationId::from_bytes([n; 16])
}

impl Address {
    fn new() -> Self {
        Self {
            tenant: tenant(),
            records: vec![],
            budget: None,
            policy: SignUpPolicy::default(),
            budgets_stored: 0,
        }
    }

    fn store(&mut self, writes: SignUpWrites) {
        self.records.retain(|record| !writes.delete.contains(&record.registration_id));
        for put in writes.put {
            self.records.retain(|record| record.registration_id != put.registration_id);
            self.records.push(put);
        }
        self.budgets_stored += u32::from(writes.budget.is_some());
        self.budget = writes.budget.or(self.budget);
    }

    fn address(&self) -> SignUpAddress<'_> {
        SignUpAddress { tenant: &self.tenant, kind: "email", identifier: "alice@example.com" }
    }

    /// Opens attempt `n`, with code and password `n`.
    fn open(&mut self, n: u8, second: u64) -> bool {
        let code = code_of(n);
        let new = NewSignUp {
            registration_id: registration(n),
            code: &code,
            password: Some(password(n)),
            display_name: Some(format!("name {n}")),
            username: Some(format!("user{n}")),
        };
        let (now, time_to_live) = (UnixMillis::new(second * 1000), self.policy.time_to_live);
        match open_sign_up(&self.records, &self.address(), new, &pepper(2), now, &self.policy) {
            OpenSignUpOutcome::Opened { writes, expires_at } => {
                assert_eq!(expires_at, now.plus(time_to_live));
                self.store(writes);
                true
            }
            OpenSignUpOutcome::AlreadyOpen { .. } => false,
        }
    }

    /// Claims with the code of attempt `n` as operation `by`; says which password the account has.
    fn claim(&mut self, n: u8, selector: ClaimSelector, second: u64, by: u8) -> String {
        let code = code_of(n);
        let request = ClaimRequest {
            code: &code,
            selector,
            account_id: AccountId::from_bytes([by; 16]),
            operation_id: operation(by),
        };
        let now = UnixMillis::new(second * 1000);
        let address = self.address();
        let outcome =
            claim_sign_up(&self.records, self.budget, &address, request, &peppers(), now, &self.policy);
        let describe = |sign_up: ClaimedSignUp| {
            assert_eq!(sign_up.claim.account_id.as_bytes()[0], sign_up.claim.operation_id.as_bytes()[0]);
            let password = (0..=255).find(|n| sign_up.password == Some(password(*n)));
            // Whose the password is, theirs are the names, unless it came with the code and without them.
            let of_attempt = password.filter(|n| *n != 7).map(|n| (format!("name {n}"), format!("user{n}")));
            assert_eq!(sign_up.display_name.zip(sign_up.username), of_attempt);
            assert_eq!(password.is_some(), sign_up.claim.with_password && !sign_up.claim.done);
            format!(
                "account {} password {} link {} done {}",
                sign_up.claim.account_id.as_bytes()[0],
                password.map_or_else(|| "none".into(), |n| n.to_string()),
                sign_up.claim.send_set_password_link,
                sign_up.claim.done,
            )
        };
        match outcome {
            ClaimOutcome::Claimed { sign_up, writes } => {
                self.store(writes);
                assert_eq!(self.records.len(), 1);
                format!("claimed: {}", describe(sign_up))
            }
            ClaimOutcome::Repeated { sign_up } => format!("repeated: {}", describe(sign_up)),
            ClaimOutcome::Refused { reason, writes } => {
                assert_eq!(reason.public_code(), CODE_INVALID);
                self.store(writes);
                reason.as_str().into()
            }
        }
    }

    fn attempts(&self, n: u8) -> u32 {
        self.records.iter().find(|record| record.registration_id == registration(n)).unwrap().attempts
    }
}

fn named(n: u8) -> ClaimSelector {
    ClaimSelector::ByRegistration(registration(n))
}

fn with_password(n: u8) -> ClaimSelector {
    ClaimSelector::WithPassword { password: password(n), display_name: None }
}

#[test]
fn a_lone_sign_up_is_claimed_by_every_selector() {
    for (selector, expected) in [
        (named(1), "claimed: account 9 password 1 link false done false"),
        (ClaimSelector::Bare, "claimed: account 9 password 1 link false done false"),
        (with_password(7), "claimed: account 9 password 7 link false done false"),
    ] {
        let mut address = Address::new();
        assert!(address.open(1, 0));
        assert_eq!(address.claim(1, selector, 899, 9), expected);
    }
}

#[test]
fn beside_another_attempt_a_bare_claim_makes_an_account_without_password() {
    for code in [1, 2] {
        let mut address = Address::new();
        address.open(1, 0);
        address.open(2, 1);
        let told = address.claim(code, ClaimSelector::Bare, 2, 9);
        assert_eq!(told, "claimed: account 9 password none link true done false");
        let mut address = Address::new();
        address.open(1, 0);
        address.open(2, 1);
        let told = address.claim(code, with_password(7), 2, 9);
        assert_eq!(told, "claimed: account 9 password 7 link false done false");
    }
}

#[test]
fn an_attempt_stays_contested_when_the_other_has_expired_or_died() {
    let mut address = Address::new();
    address.open(1, 0);
    address.open(2, 899);
    let told = address.claim(2, ClaimSelector::Bare, 1000, 9);
    assert_eq!(told, "claimed: account 9 password none link true done false");

    let mut address = Address::new();
    address.open(1, 0);
    for _ in 0..5 {
        assert_eq!(address.claim(99, ClaimSelector::Bare, 1, 9), "code_invalid");
    }
    assert_eq!(address.claim(1, ClaimSelector::Bare, 1, 9), "attempts_exhausted");
    address.open(2, 2);
    let told = address.claim(2, ClaimSelector::Bare, 3, 9);
    assert_eq!(told, "claimed: account 9 password none link true done false");
}

#[test]
fn an_attempt_stays_contested_when_a_younger_one_lived_shorter() {
    let mut address = Address::new();
    address.open(1, 0);
    address.policy.time_to_live = Seconds::new(60);
    address.open(2, 1);
    let told = address.claim(1, ClaimSelector::Bare, 100, 9);
    assert_eq!(told, "claimed: account 9 password none link true done false");
}

#[test]
fn a_policy_can_deny_bare_claims_every_password() {
    let mut address = Address::new();
    address.policy.bare_claim_keeps_password = false;
    address.open(1, 0);
    let told = address.claim(1, ClaimSelector::Bare, 1, 9);
    assert_eq!(told, "claimed: account 9 password none link true done false");
}

#[test]
fn the_id_of_one_attempt_and_the_code_of_another_do_not_match() {
    let mut address = Address::new();
    address.open(1, 0);
    address.open(2, 0);
    assert_eq!(address.claim(2, named(1), 1, 9), "code_invalid");
    assert_eq!((address.attempts(1), address.attempts(2)), (1, 0));
    assert_eq!(address.claim(1, named(3), 1, 9), "code_invalid");
    assert_eq!((address.attempts(1), address.attempts(2)), (1, 0));
    assert_eq!(address.claim(2, named(2), 1, 9), "claimed: account 9 password 2 link false done false");
}

#[test]
fn a_claim_closes_the_others_and_repeats_itself() {
    let mut address = Address::new();
    address.open(1, 0);
    address.open(2, 0);
    assert_eq!(address.claim(2, named(2), 1, 9), "claimed: account 9 password 2 link false done false");
    assert_eq!(address.claim(1, named(1), 2, 8), "code_invalid");
    assert_eq!(address.claim(1, ClaimSelector::Bare, 2, 8), "code_invalid");
    let repeated = "repeated: account 9 password 2 link false done false";
    assert_eq!(address.claim(2, named(2), 3, 8), repeated);
    assert_eq!(address.claim(2, ClaimSelector::Bare, 3, 8), repeated);
    assert_eq!(address.claim(2, with_password(7), 3, 8), repeated);
    let finished = finish_sign_up(&address.records, operation(9)).unwrap();
    assert!(finished.password.is_none() && finished.display_name.is_none() && finished.username.is_none());
    address.store(SignUpWrites { put: vec![finished], ..SignUpWrites::default() });
    assert!(finish_sign_up(&address.records, operation(9)).is_none());
    assert!(finish_sign_up(&address.records, operation(8)).is_none());
    let repeated = "repeated: account 9 password none link false done true";
    assert_eq!(address.claim(2, named(2), 600, 8), repeated);
    assert_eq!(address.claim(2, named(2), 601, 8), "code_expired");
}

#[test]
fn a_claim_at_the_last_moment_has_its_full_time_to_repeat() {
    let mut address = Address::new();
    address.open(1, 0);
    address.claim(1, named(1), 899, 9);
    let repeated = "repeated: account 9 password 1 link false done false";
    assert_eq!(address.claim(1, named(1), 1498, 8), repeated);
    assert_eq!(address.claim(1, named(1), 1499, 8), "code_expired");
}

#[test]
fn a_repeated_opening_changes_nothing() {
    let mut address = Address::new();
    assert!(address.open(1, 0));
    assert!(!address.open(1, 1));
    assert_eq!(address.records.len(), 1);
    assert!(!address.records[0].contested);
}

#[test]
fn over_the_cap_the_oldest_unclaimed_goes_and_what_is_over_is_swept() {
    let mut address = Address::new();
    for n in 1..=10 {
        address.open(n, u64::from(n));
    }
    assert_eq!(address.records.len(), 8);
    assert_eq!(address.claim(2, named(2), 20, 99), "code_invalid");
    assert_eq!(address.claim(3, named(3), 20, 99), "claimed: account 99 password 3 link false done false");
    for n in 11..=20 {
        address.open(n, 30);
    }
    assert_eq!(address.records.len(), 9);
    assert_eq!(address.claim(3, named(3), 31, 98), "repeated: account 99 password 3 link false done false");
    address.open(21, 5000);
    assert_eq!(address.records.len(), 1);
    assert!(!address.records[0].contested);
}

#[test]
fn refusals_are_named_in_check_order() {
    let mut address = Address::new();
    assert_eq!(address.claim(1, ClaimSelector::Bare, 0, 9), "code_invalid");
    address.open(1, 0);
    assert_eq!(address.claim(1, named(1), 900, 9), "code_expired");
    for _ in 0..5 {
        assert_eq!(address.claim(2, named(1), 1, 9), "code_invalid");
    }
    assert_eq!(address.claim(1, named(1), 1, 9), "attempts_exhausted");
    assert_eq!(address.claim(1, named(1), 900, 9), "code_expired");
}

#[test]
fn a_code_of_another_address_tenant_or_lost_pepper_is_refused() {
    let mut address = Address::new();
    address.open(1, 0);
    let (other_tenant, code) = ("other".parse().unwrap(), code_of(1));
    let right = address.address();
    let all = peppers();
    let without = Peppers::new(Some(pepper(1)), vec![]);
    for (place, peppers, accepted) in [
        (SignUpAddress { tenant: &other_tenant, ..right }, &all, false),
        (SignUpAddress { kind: "phone", ..right }, &all, false),
        (SignUpAddress { identifier: "bob@example.com", ..right }, &all, false),
        (SignUpAddress { kind: "emaila", identifier: "lice@example.com", ..right }, &all, false),
        (right, &without, false),
        (right, &all, true),
    ] {
        let request = ClaimRequest {
            code: &code,
            selector: ClaimSelector::Bare,
            account_id: AccountId::from_bytes([9; 16]),
            operation_id: operation(9),
        };
        let now = UnixMillis::new(1);
        let outcome = claim_sign_up(&address.records, None, &place, request, peppers, now, &address.policy);
        assert_eq!(matches!(outcome, ClaimOutcome::Claimed { .. }), accepted);
    }
}

#[test]
fn many_attempts_do_not_multiply_guesses_and_do_not_keep_out_who_types_correctly() {
    let mut address = Address::new();
    let mut compared = 0;
    let mut opened = 0;
    for n in 1..=200 {
        address.open(n, u64::from(n));
        opened += 1;
        for selector in [named(n), ClaimSelector::Bare, with_password(7), named(n), named(n)] {
            let before: u32 = address.records.iter().map(|record| record.attempts).sum();
            let told = address.claim(250, selector, u64::from(n), 9);
            let after: u32 = address.records.iter().map(|record| record.attempts).sum();
            assert!(matches!(told.as_str(), "code_invalid" | "attempts_exhausted"), "{told}");
            compared += after - before;
        }
    }
    let SignUpPolicy { guesses: GuessLimit { max_comparisons, .. }, max_open, .. } = address.policy;
    assert!(compared <= max_comparisons + max_open - 1 + opened, "{compared}");
    assert!(compared >= opened, "a first guess by id is always compared");
    address.open(201, 201);
    assert_eq!(address.claim(201, ClaimSelector::Bare, 202, 9), "attempts_exhausted");
    let told = address.claim(201, named(201), 202, 9);
    assert_eq!(told, "claimed: account 9 password 201 link false done false");
}

#[test]
fn the_budget_of_an_address_is_new_the_next_day_and_after_a_clock_fell_back() {
    let mut address = Address::new();
    let spent = |at| Some(GuessBudget { window_started_at: UnixMillis::new(at), comparisons: 40 });
    address.open(1, 100_000);
    address.budget = spent(20_000_000);
    assert_eq!(address.claim(1, ClaimSelector::Bare, 100_001, 9), "attempts_exhausted");
    address.budget = spent(1_000_000_000_000);
    assert_eq!(address.claim(1, ClaimSelector::Bare, 100_001, 9), "attempts_exhausted");
    assert_eq!(address.budget, spent(100_001_000));
    address.policy.guesses.window = Seconds::new(86_400);
    address.budget = spent(100_001_000 - 86_400_000);
    assert_eq!(
        address.claim(1, ClaimSelector::Bare, 100_001, 9),
        "claimed: account 9 password 1 link false done false"
    );
}

#[test]
fn a_guess_that_is_not_compared_stores_nothing() {
    for selector in [named(1), ClaimSelector::Bare] {
        let mut address = Address::new();
        address.open(1, 1);
        for second in 2..7 {
            assert_eq!(address.claim(2, selector.clone(), second, 9), "code_invalid");
        }
        let before = (address.budgets_stored, address.attempts(1));
        for second in 7..10 {
            assert_eq!(address.claim(2, selector.clone(), second, 9), "attempts_exhausted");
        }
        assert_eq!((address.budgets_stored, address.attempts(1)), before);
        assert_eq!(before, (5, 5));
    }
}

#[test]
fn records_survive_storage_and_hold_no_code() {
    let mut address = Address::new();
    address.open(1, 0);
    address.claim(1, named(1), 1, 9);
    let json = serde_json::to_string(&address.records).unwrap();
    assert!(!json.contains(code_of(1).expose()));
    address.records = serde_json::from_str(&json).unwrap();
    assert_eq!(address.claim(1, named(1), 2, 8), "repeated: account 9 password 1 link false done false");
    let record = Consumer::new(UsePolicy::LINK).record.unwrap();
    let json = serde_json::to_string(&record).unwrap();
    let back: OneTimeSecret = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), json);
    assert!(!format!("{address:?}", address = address.records).contains("argon2id"));
}
