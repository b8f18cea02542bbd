//! Mailed codes and links: who asks often, guesses often or comes twice.
#![cfg(all(feature = "issue", feature = "password"))]
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test stops at the first surprise")]

use postern_core::id::{OperationId, TenantId};
use postern_core::intake::{
    CodeBinding, CodePurpose, ConsumeRefusal, GuessBudget, GuessLimit, MailOutcome, MailedPolicy,
    MailedSecret, PresentOutcome, PresentedSecret, UsePolicy, mail_secret, present_secret,
};
use postern_core::password::{Pepper, Peppers};
use postern_core::secret::Secret;
use postern_core::time::{Seconds, UnixMillis};

const NOW: UnixMillis = UnixMillis::new(1_000_000);
const CODE: &[u8] = b"123456";
const WRONG: &[u8] = b"123457";
const VERSION: u32 = 7;
/// What is told of a secret that is right and was not used up: no operation has number 0.
const RIGHT: (u8, u32) = (0, 0);

const CODES: MailedPolicy = MailedPolicy {
    time_to_live: Seconds::new(300),
    resend_after: Seconds::new(60),
    uses: UsePolicy { max_attempts: 5, repeatable_for: Seconds::ZERO },
    guesses: Some(GuessLimit { max_comparisons: 12, window: Seconds::new(1_000) }),
};
const LINKS: MailedPolicy = MailedPolicy { uses: UsePolicy::LINK, guesses: None, ..CODES };

fn pepper() -> Pepper {
    Pepper::new(1, Secret::new([1; 32]))
}

fn operation(n: u8) -> OperationId {
    OperationId::from_bytes([n; 16])
}

fn after(seconds: u64) -> UnixMillis {
    UnixMillis::new(NOW.as_millis() + seconds * 1_000)
}

/// The shard's rows of one address and purpose.
#[derive(Default)]
struct Shard {
    stored: Option<MailedSecret>,
    budget: Option<GuessBudget>,
    /// How often the budget was stored.
    budgets_stored: u32,
    /// When the credential of the address was changed.
    changed_at: Option<UnixMillis>,
    /// What is presented is not used up.
    only_compares: bool,
}

impl Shard {
    fn mail(&mut self, code: &[u8], n: u8, now: UnixMillis, policy: &MailedPolicy) -> Result<(), u64> {
        let tenant: TenantId = "acme".parse().unwrap();
        let binding =
            CodeBinding { purpose: CodePurpose::Login, tenant: &tenant, subject: b"ada@example.com" };
        match mail_secret(self.stored.as_ref(), &binding, code, operation(n), &pepper(), now, policy) {
            MailOutcome::Issued { write } => self.stored = Some(write),
            MailOutcome::Repeated => {}
            MailOutcome::TooSoon { retry_after_seconds } => return Err(retry_after_seconds),
        }
        Ok(())
    }

    fn present(
        &mut self,
        secret: &[u8],
        n: u8,
        now: UnixMillis,
        policy: &MailedPolicy,
    ) -> Result<(u8, u32), ConsumeRefusal> {
        self.present_as(CodePurpose::Login, "acme", b"ada@example.com", secret, n, now, policy)
    }

    #[allow(clippy::too_many_arguments, reason = "each is varied by an attack")]
    fn present_as(
        &mut self,
        purpose: CodePurpose,
        tenant: &str,
        subject: &[u8],
        secret: &[u8],
        n: u8,
        now: UnixMillis,
        policy: &MailedPolicy,
    ) -> Result<(u8, u32), ConsumeRefusal> {
        let tenant: TenantId = tenant.parse().unwrap();
        let binding = CodeBinding { purpose, tenant: &tenant, subject };
        let presented = PresentedSecret {
            secret,
            operation: operation(n),
            against: VERSION + u32::from(n),
            changed_at: self.changed_at,
            uses_up: !self.only_compares,
        };
        let peppers = Peppers::new(Some(pepper()), Vec::new());
        match present_secret(self.stored.as_ref(), self.budget, &binding, presented, &peppers, now, policy) {
            PresentOutcome::Used { write } => {
                let against = write.used_against.unwrap();
                self.stored = Some(write);
                Ok((n, against))
            }
            PresentOutcome::Right => Ok(RIGHT),
            PresentOutcome::Repeated { operation, against } => Ok((operation.as_bytes()[0], against)),
            PresentOutcome::Refused { reason, write, budget } => {
                self.stored = write.or(self.stored.take());
                self.budgets_stored += u32::from(budget.is_some());
                self.budget = budget.or(self.budget);
                Err(reason)
            }
        }
    }
}

fn mailed(policy: &MailedPolicy) -> Shard {
    let mut shard = Shard::default();
    shard.mail(CODE, 1, NOW, policy).unwrap();
    shard
}

#[test]
fn a_code_works_once_and_only_for_its_own_request_again() {
    let mut shard = mailed(&CODES);
    assert_eq!(shard.present(CODE, 2, after(1), &CODES), Ok((2, VERSION + 2)));
    assert_eq!(shard.present(CODE, 3, after(1), &CODES), Err(ConsumeRefusal::AlreadyUsed));
    // The Worker that lost the answer asks again with the operation it had drawn.
    assert_eq!(shard.present(CODE, 2, after(9_999), &CODES), Ok((2, VERSION + 2)));
}

#[test]
fn a_link_repeats_the_change_that_it_was_first_used_for() {
    let mut shard = mailed(&LINKS);
    assert_eq!(shard.present(CODE, 2, after(1), &LINKS), Ok((2, VERSION + 2)));
    assert_eq!(
        shard.present(CODE, 9, after(600), &LINKS),
        Ok((2, VERSION + 2)),
        "whatever the version is by now"
    );
    assert_eq!(shard.present(CODE, 9, after(601), &LINKS), Err(ConsumeRefusal::AlreadyUsed));
}

#[test]
fn what_was_mailed_before_a_change_of_the_credential_is_for_nothing() {
    for policy in [CODES, LINKS] {
        for changed_at in [NOW, after(1)] {
            let mut shard = mailed(&policy);
            shard.changed_at = Some(changed_at);
            assert_eq!(shard.present(CODE, 2, after(2), &policy), Err(ConsumeRefusal::Expired));
            assert_eq!(shard.present(WRONG, 2, after(2), &policy), Err(ConsumeRefusal::Expired));
        }
        let mut shard = mailed(&policy);
        shard.changed_at = Some(UnixMillis::new(NOW.as_millis() - 1));
        assert_eq!(
            shard.present(CODE, 2, after(2), &policy),
            Ok((2, VERSION + 2)),
            "mailed after the change"
        );
        // Its own change comes later than it, and it still repeats that one and nothing else.
        shard.changed_at = Some(after(2));
        assert_eq!(shard.present(CODE, 2, after(3), &policy), Ok((2, VERSION + 2)));
    }
}

#[test]
fn five_guesses_kill_a_code_and_no_link() {
    for (policy, expected) in [(CODES, Err(ConsumeRefusal::AttemptsExhausted)), (LINKS, Ok((9, VERSION + 9)))]
    {
        let mut shard = mailed(&policy);
        for _ in 0..5 {
            assert_eq!(shard.present(WRONG, 2, after(1), &policy), Err(ConsumeRefusal::Wrong));
        }
        assert_eq!(shard.present(CODE, 9, after(1), &policy), expected);
    }
}

#[test]
fn the_next_mail_waits_and_makes_the_last_one_worthless() {
    let mut shard = mailed(&CODES);
    assert_eq!(shard.mail(WRONG, 2, NOW, &CODES), Err(60));
    assert_eq!(shard.mail(WRONG, 2, UnixMillis::new(after(60).as_millis() - 1), &CODES), Err(1));
    assert_eq!(shard.present(WRONG, 3, after(59), &CODES), Err(ConsumeRefusal::Wrong), "nothing was issued");
    assert_eq!(shard.mail(b"654321", 2, after(60), &CODES), Ok(()));
    assert_eq!(shard.present(CODE, 3, after(61), &CODES), Err(ConsumeRefusal::Wrong));
    assert_eq!(shard.present(b"654321", 3, after(61), &CODES), Ok((3, VERSION + 3)));
}

#[test]
fn after_a_use_or_when_a_clock_fell_back_nobody_waits() {
    let mut shard = mailed(&CODES);
    shard.present(CODE, 2, after(1), &CODES).unwrap();
    assert_eq!(shard.mail(CODE, 3, after(1), &CODES), Ok(()));
    let mut shard = mailed(&CODES);
    assert_eq!(shard.mail(CODE, 3, UnixMillis::new(0), &CODES), Ok(()));
}

#[test]
fn a_repeated_request_mails_nothing_new() {
    let mut shard = mailed(&CODES);
    assert_eq!(shard.mail(b"654321", 1, after(1), &CODES), Ok(()));
    assert_eq!(shard.present(b"654321", 2, after(1), &CODES), Err(ConsumeRefusal::Wrong));
    assert_eq!(shard.present(CODE, 2, after(1), &CODES), Ok((2, VERSION + 2)));
}

#[test]
fn a_code_of_another_purpose_tenant_or_address_is_refused() {
    let of = |purpose, tenant, subject: &[u8]| {
        mailed(&CODES).present_as(purpose, tenant, subject, CODE, 2, after(1), &CODES)
    };
    assert_eq!(of(CodePurpose::ResetPassword, "acme", b"ada@example.com"), Err(ConsumeRefusal::Unknown));
    assert_eq!(of(CodePurpose::Login, "other", b"ada@example.com"), Err(ConsumeRefusal::Wrong));
    assert_eq!(of(CodePurpose::Login, "acme", b"bob@example.com"), Err(ConsumeRefusal::Wrong));
    assert_eq!(of(CodePurpose::Login, "acme", b"ada@example.com"), Ok((2, VERSION + 2)));
    assert_eq!(Shard::default().present(CODE, 2, NOW, &CODES), Err(ConsumeRefusal::Unknown));
    assert_eq!(mailed(&CODES).present(CODE, 2, after(300), &CODES), Err(ConsumeRefusal::Expired));
}

#[test]
fn many_mails_do_not_multiply_guesses_and_do_not_keep_out_who_types_correctly() {
    let mut shard = Shard::default();
    let mut compared = 0;
    for round in 0..10_u8 {
        let now = after(u64::from(round) * 60);
        shard.mail(CODE, round + 10, now, &CODES).unwrap();
        let guesses = (0..6).map(|_| shard.present(WRONG, 2, now, &CODES));
        compared += guesses.filter(|outcome| *outcome == Err(ConsumeRefusal::Wrong)).count();
    }
    // 5 + 5 + 2 spend the budget in the third round, which goes on to 12; each of the other seven brings one.
    assert_eq!(compared, 12 + 7);
    shard.mail(CODE, 99, after(600), &CODES).unwrap();
    assert_eq!(shard.present(CODE, 2, after(600), &CODES), Ok((2, VERSION + 2)));

    // A new window, and one from the future of a clock that fell back begins where it is met.
    shard.mail(CODE, 100, after(1_001), &CODES).unwrap();
    for _ in 0..5 {
        assert_eq!(shard.present(WRONG, 2, after(1_001), &CODES), Err(ConsumeRefusal::Wrong));
    }
    let mut shard = mailed(&CODES);
    shard.budget = Some(GuessBudget { window_started_at: after(99_999), comparisons: 12 });
    assert_eq!(shard.present(WRONG, 2, after(1), &CODES), Err(ConsumeRefusal::Wrong));
    assert_eq!(shard.present(WRONG, 2, after(1), &CODES), Err(ConsumeRefusal::AttemptsExhausted));
    assert_eq!(shard.budget.unwrap().window_started_at, after(1));
}

#[test]
fn a_guess_that_is_not_compared_stores_nothing() {
    let mut shard = mailed(&CODES);
    for second in 1..6 {
        assert_eq!(shard.present(WRONG, 2, after(second), &CODES), Err(ConsumeRefusal::Wrong));
    }
    assert_eq!(shard.budgets_stored, 5);
    for second in 6..9 {
        assert_eq!(shard.present(WRONG, 2, after(second), &CODES), Err(ConsumeRefusal::AttemptsExhausted));
    }
    assert_eq!(shard.budgets_stored, 5);
}

#[test]
fn records_survive_storage_and_hold_no_secret() {
    let mut shard = mailed(&CODES);
    shard.present(CODE, 2, after(1), &CODES).unwrap();
    let stored = serde_json::to_string(&shard.stored).unwrap();
    assert!(!stored.contains("123456"));
    shard.stored = serde_json::from_str(&stored).unwrap();
    assert_eq!(shard.present(CODE, 2, after(1), &CODES), Ok((2, VERSION + 2)));
}

#[test]
fn a_month_of_guessing_finds_few_short_codes_to_guess_at_and_keeps_nobody_out() {
    let limit = GuessLimit::DEFAULT;
    let policy = MailedPolicy { guesses: Some(limit), ..CODES };
    let (mut shard, mut short, mut long) = (Shard::default(), 0, 0);
    // Six codes an hour for 30 days, and as many guesses at each as it bears.
    for round in 0..(6 * 24 * 30_u64 - 1) {
        let now = after(round * 600);
        let code = limit.code_length(shard.budget, now).of("9876123456").as_bytes().to_vec();
        let n = u8::try_from(round % 200).unwrap() + 20;
        shard.mail(&code, n, now, &policy).unwrap();
        let wrong = (0..6).filter(|_| shard.present(WRONG, 2, now, &policy) == Err(ConsumeRefusal::Wrong));
        let compared = wrong.count();
        if code.len() == 6 { short += compared } else { long += compared }
    }
    assert_eq!(short, 10);
    assert_eq!(long, (6 * 24 * 30 - 3) * 5);

    // The owner types a long code, also after the wrong guess of somebody else.
    let now = after(30 * 86_400 - 300);
    shard.mail(b"9876123456", 1, now, &policy).unwrap();
    assert_eq!(shard.present(WRONG, 2, now, &policy), Err(ConsumeRefusal::Wrong));
    assert_eq!(shard.present(CODE, 2, now, &policy), Err(ConsumeRefusal::Wrong), "its end is not enough");
    assert_eq!(shard.present(b"9876123456", 2, now, &policy), Ok((2, VERSION + 2)));
    assert_eq!(limit.code_length(shard.budget, after(30 * 86_400)).of("9876123456"), "123456");
}

#[test]
fn comparing_uses_nothing_up_and_counts_what_is_wrong() {
    for policy in [CODES, LINKS] {
        let mut shard = Shard { only_compares: true, ..mailed(&policy) };
        for n in 2..9 {
            assert_eq!(shard.present(CODE, n, after(1), &policy), Ok(RIGHT), "a right guess does not count");
        }
        assert!(shard.stored.as_ref().unwrap().secret.used.is_none());
        shard.only_compares = false;
        assert_eq!(shard.present(CODE, 9, after(1), &policy), Ok((9, VERSION + 9)));
        shard.only_compares = true;
        let again = shard.present(CODE, 10, after(2), &policy);
        let repeatable = policy.uses.repeatable_for > Seconds::ZERO;
        assert_eq!(again, if repeatable { Ok((9, VERSION + 9)) } else { Err(ConsumeRefusal::AlreadyUsed) });
    }
}

#[test]
fn comparing_brings_no_more_guesses_than_using() {
    let mut shard = Shard { only_compares: true, ..mailed(&CODES) };
    for n in 2..7 {
        shard.only_compares = n % 2 == 0;
        assert_eq!(shard.present(WRONG, n, after(1), &CODES), Err(ConsumeRefusal::Wrong));
    }
    for only_compares in [false, true] {
        shard.only_compares = only_compares;
        assert_eq!(shard.present(CODE, 9, after(1), &CODES), Err(ConsumeRefusal::AttemptsExhausted));
    }
    assert_eq!(shard.budgets_stored, 5);
}

#[test]
fn comparing_accepts_nothing_that_using_refuses() {
    let mut shard = Shard { only_compares: true, ..mailed(&LINKS) };
    assert_eq!(shard.present(CODE, 2, after(300), &LINKS), Err(ConsumeRefusal::Expired));
    let (reset, ours): (_, &[u8]) = (CodePurpose::ResetPassword, b"ada@example.com");
    let other = shard.present_as(reset, "acme", ours, CODE, 2, after(1), &LINKS);
    assert_eq!(other, Err(ConsumeRefusal::Unknown));
    shard.changed_at = Some(after(1));
    assert_eq!(shard.present(CODE, 2, after(2), &LINKS), Err(ConsumeRefusal::Expired));
}
