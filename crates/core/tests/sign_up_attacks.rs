//! Somebody else signs up the victim's address: before, after and around the victim, in every order.
//!
//! All short schedules are tried exhaustively, long ones at random. What the attacker may do is what anybody can
//! who knows the address: open attempts with a password of their own, and guess codes. All codes go to the
//! victim, who types any of them anywhere, also codes they never asked for. The invariant: no account carries
//! what the attacker chose, with the one documented exception, which the model works out on its own.
#![cfg(all(feature = "issue", feature = "password"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first surprise"
)]

use postern_core::id::{AccountId, OperationId, RegistrationId, TenantId};
use postern_core::intake::*;
use postern_core::password::{PasswordHash, Pepper, Peppers};
use postern_core::secret::{Secret, SecretText};
use postern_core::time::{Seconds, UnixMillis};
use proptest::prelude::*;

const ATTACKER: char = 'A';
const VICTIM: char = 'V';
/// What the victim presents together with a code, as opposed to at sign-up.
const VICTIM_NOW: char = 'N';
const LIFE: u64 = 15 * 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selector {
    /// The id of the actor's own attempt, counted from their first.
    Own(usize),
    Bare,
    WithPassword,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Open(char),
    /// Eight minutes: two of them outlast a code.
    Wait,
    /// The attacker presents a code that was never mailed.
    Guess(Selector),
    /// The victim presents the code of the attempt with this number, whoever opened it.
    Confirm(Selector, usize),
}

/// An attempt as the model remembers it, whatever became of its record.
#[derive(Clone, Copy)]
struct Opened {
    by: char,
    at: u64,
}

#[derive(Clone)]
struct World {
    now: u64,
    records: Vec<PendingSignUp>,
    budget: Option<GuessBudget>,
    policy: SignUpPolicy,
    opened: Vec<Opened>,
}

/// What was reached, so that no test passes because nothing happened.
#[derive(Debug, Default)]
struct Tally {
    claims: u64,
    without_password: u64,
    exceptions: u64,
    dead: u64,
    evicted: u64,
}

fn password(by: char) -> PasswordHash {
    let salt = data_encoding::BASE64_NOPAD.encode(&[by as u8; 16]);
    format!("$argon2id$v=19$m=8,t=1,p=1${salt}${}", "A".repeat(43)).parse().unwrap()
}

fn registration(number: usize) -> RegistrationId {
    RegistrationId::from_bytes([number as u8; 16])
}

fn code(number: usize) -> SecretText {
    SecretText::new(format!("{:06}", 111_111 + number))
}

fn pepper() -> Pepper {
    Pepper::new(1, Secret::new([5; 32]))
}

impl World {
    fn new(bare_claim_keeps_password: bool) -> Self {
        let policy = SignUpPolicy {
            max_open: 3,
            max_attempts: 2,
            guesses: GuessLimit { max_comparisons: 6, ..GuessLimit::DEFAULT },
            bare_claim_keeps_password,
            time_to_live: Seconds::new((LIFE / 1000) as u32),
            ..SignUpPolicy::default()
        };
        Self { now: 1_000_000_000, records: vec![], budget: None, policy, opened: vec![] }
    }

    fn store(&mut self, writes: SignUpWrites) {
        self.records.retain(|record| !writes.delete.contains(&record.registration_id));
        for put in writes.put {
            self.records.retain(|record| record.registration_id != put.registration_id);
            self.records.push(put);
        }
        self.budget = writes.budget.or(self.budget);
    }

    fn open(&mut self, by: char, tally: &mut Tally) {
        let tenant: TenantId = "default".parse().unwrap();
        let address = SignUpAddress { tenant: &tenant, kind: "email", identifier: "victim@example.com" };
        let number = self.opened.len();
        let code = code(number);
        let new = NewSignUp {
            registration_id: registration(number),
            code: &code,
            password: Some(password(by)),
            display_name: Some(by.into()),
            username: None,
        };
        let now = UnixMillis::new(self.now);
        self.opened.push(Opened { by, at: self.now });
        match open_sign_up(&self.records, &address, new, &pepper(), now, &self.policy) {
            OpenSignUpOutcome::Opened { writes, .. } => {
                tally.evicted += u64::from(!writes.delete.is_empty());
                self.store(writes);
            }
            OpenSignUpOutcome::AlreadyOpen { .. } => panic!("ids are fresh"),
        }
        assert!(self.records.iter().filter(|record| record.claim.is_none()).count() <= 3);
    }

    /// The number of the actor's own `nth` attempt.
    fn own(&self, by: char, nth: usize) -> Option<usize> {
        let mut numbers = (0..self.opened.len()).filter(|number| self.opened[*number].by == by);
        numbers.nth(nth)
    }

    fn claim(&self, by: char, selector: Selector, code: &SecretText, account: u8) -> Option<ClaimOutcome> {
        let tenant: TenantId = "default".parse().unwrap();
        let address = SignUpAddress { tenant: &tenant, kind: "email", identifier: "victim@example.com" };
        let selector = match selector {
            Selector::Own(nth) => ClaimSelector::ByRegistration(registration(self.own(by, nth)?)),
            Selector::Bare => ClaimSelector::Bare,
            Selector::WithPassword if by == ATTACKER => {
                ClaimSelector::WithPassword { password: password(ATTACKER), display_name: None }
            }
            Selector::WithPassword => {
                ClaimSelector::WithPassword { password: password(VICTIM_NOW), display_name: None }
            }
        };
        let request = ClaimRequest {
            code,
            selector,
            account_id: AccountId::from_bytes([account; 16]),
            operation_id: OperationId::from_bytes([account; 16]),
        };
        let (now, peppers) = (UnixMillis::new(self.now), Peppers::new(Some(pepper()), vec![]));
        Some(claim_sign_up(&self.records, self.budget, &address, request, &peppers, now, &self.policy))
    }

    /// Takes a step; whether the address is claimed now.
    fn take(&mut self, step: Step, tally: &mut Tally) -> bool {
        match step {
            Step::Open(by) => self.open(by, tally),
            Step::Wait => self.now += 8 * 60_000,
            Step::Guess(selector) => match self.claim(ATTACKER, selector, &code(88), 66) {
                None => {}
                Some(ClaimOutcome::Refused { writes, .. }) => self.store(writes),
                Some(outcome) => panic!("a code that was never mailed gave {outcome:?}"),
            },
            Step::Confirm(selector, number) => {
                return number < self.opened.len() && self.confirm(selector, number, tally);
            }
        }
        false
    }

    fn confirm(&mut self, selector: Selector, number: usize, tally: &mut Tally) -> bool {
        match self.claim(VICTIM, selector, &code(number), 1) {
            None => false,
            Some(ClaimOutcome::Refused { reason, writes }) => {
                tally.dead += u64::from(reason == ClaimRefusal::AttemptsExhausted);
                self.store(writes);
                self.check_refusal_was_due(selector, number, reason);
                false
            }
            Some(ClaimOutcome::Claimed { sign_up, writes }) => {
                self.check_claim(selector, number, &sign_up, tally);
                self.store(writes);
                self.check_aftermath(selector, number, tally);
                true
            }
            Some(ClaimOutcome::Repeated { .. }) => panic!("nothing was claimed before"),
        }
    }

    /// Whether no other attempt was open at any moment of this one's life so far.
    fn was_alone(&self, number: usize) -> bool {
        let this = self.opened[number];
        (0..self.opened.len()).all(|other| {
            let that = self.opened[other];
            other == number || that.at + LIFE <= this.at || this.at + LIFE <= that.at
        })
    }

    fn check_claim(&self, selector: Selector, number: usize, sign_up: &ClaimedSignUp, tally: &mut Tally) {
        let opener = self.opened[number].by;
        tally.claims += 1;
        let expected = match selector {
            Selector::Own(_) => Some(VICTIM),
            Selector::WithPassword => Some(VICTIM_NOW),
            Selector::Bare if self.policy.bare_claim_keeps_password && self.was_alone(number) => Some(opener),
            Selector::Bare => None,
        };
        assert_eq!(sign_up.password, expected.map(password));
        assert_eq!(sign_up.claim.with_password, expected.is_some());
        assert_eq!(sign_up.claim.send_set_password_link, expected.is_none());
        let name = expected.filter(|by| *by != VICTIM_NOW).map(String::from);
        assert_eq!(sign_up.display_name, name);
        tally.without_password += u64::from(expected.is_none());
        if expected == Some(ATTACKER) {
            tally.exceptions += 1;
            assert!(self.policy.bare_claim_keeps_password, "switched off, there is no exception");
            assert_eq!((selector, opener), (Selector::Bare, ATTACKER));
            let life = self.opened[number].at..self.opened[number].at + LIFE;
            let has_victim_beside =
                self.opened.iter().any(|other| other.by == VICTIM && life.contains(&other.at));
            assert!(!has_victim_beside, "the victim has signed up meanwhile");
        }
    }

    /// A refusal of the right code must have a reason that the model knows.
    fn check_refusal_was_due(&self, selector: Selector, number: usize, reason: ClaimRefusal) {
        let is_expired = self.opened[number].at + LIFE <= self.now;
        let is_other = matches!(selector, Selector::Own(nth) if self.own(VICTIM, nth) != Some(number));
        let record = self.records.iter().find(|record| record.registration_id == registration(number));
        let is_dead = record.is_none_or(|record| record.attempts >= self.policy.max_attempts);
        let is_spent = self.budget.is_some_and(|budget| budget.comparisons >= 6);
        let is_named = matches!(selector, Selector::Own(_));
        let is_out_of_guesses = is_spent && !(is_named && record.is_some_and(|record| record.attempts == 0));
        assert!(is_expired || is_other || is_dead || is_out_of_guesses, "{reason:?} without a reason");
    }

    /// After the claim: the same code gives the same account, every other code nothing, and a new attempt of the
    /// attacker changes neither.
    fn check_aftermath(&self, selector: Selector, number: usize, tally: &mut Tally) {
        assert_eq!(self.records.len(), 1);
        let mut world = self.clone();
        for late in [false, true] {
            if late {
                world.open(ATTACKER, tally);
            }
            match world.claim(VICTIM, selector, &code(number), 2) {
                Some(ClaimOutcome::Repeated { sign_up }) => {
                    assert_eq!(sign_up.claim.account_id.as_bytes(), &[1; 16]);
                    assert_eq!(sign_up.password, self.records[0].password);
                }
                outcome => panic!("a repeated claim gave {outcome:?}"),
            }
            for other in (0..self.opened.len()).filter(|other| *other != number) {
                for selector in [Selector::Own(0), Selector::Own(1), Selector::Bare, Selector::WithPassword] {
                    let outcome = world.claim(VICTIM, selector, &code(other), 2);
                    assert!(!matches!(
                        outcome,
                        Some(ClaimOutcome::Claimed { .. } | ClaimOutcome::Repeated { .. })
                    ));
                }
            }
        }
    }
}

/// Every schedule of at most `depth` steps from here, a claim being the last one.
fn explore(world: &World, depth: u32, tally: &mut Tally) -> u64 {
    if depth == 0 {
        return 1;
    }
    let count = |by| world.opened.iter().filter(|opened| opened.by == by).count();
    let mut steps = vec![Step::Wait];
    steps.extend([ATTACKER, VICTIM].into_iter().filter(|by| count(*by) < 2).map(Step::Open));
    if !world.opened.is_empty() {
        steps.push(Step::Guess(Selector::Bare));
    }
    if count(ATTACKER) > 0 {
        steps.push(Step::Guess(Selector::Own(count(ATTACKER) - 1)));
    }
    for number in 0..world.opened.len() {
        for selector in [Selector::Bare, Selector::WithPassword, Selector::Own(0), Selector::Own(1)] {
            steps.push(Step::Confirm(selector, number));
        }
    }
    let mut schedules = 0;
    for step in steps {
        let mut next = world.clone();
        let is_over = next.take(step, tally);
        schedules += if is_over { 1 } else { explore(&next, depth - 1, tally) };
    }
    schedules
}

#[test]
fn no_short_schedule_gives_the_victims_account_the_attackers_password() {
    let mut tally = Tally::default();
    let schedules = explore(&World::new(true), 6, &mut tally);
    assert!(schedules > 10_000, "{schedules}");
    let Tally { claims, without_password, exceptions, dead, evicted } = tally;
    assert!(claims > 5_000 && without_password > 1_000 && exceptions > 0 && dead > 0 && evicted > 0);
    assert!(exceptions * 20 < claims, "the exception is rare: {exceptions} of {claims}");
}

#[test]
fn with_bare_claims_distrusted_there_is_no_exception() {
    let mut tally = Tally::default();
    explore(&World::new(false), 5, &mut tally);
    assert!(tally.claims > 500 && tally.without_password > 100, "{tally:?}");
    assert_eq!(tally.exceptions, 0);
}

#[test]
fn the_exception_is_a_lone_attempt_of_the_attacker_confirmed_bare() {
    let mut tally = Tally::default();
    let mut world = World::new(true);
    for step in [Step::Open(VICTIM), Step::Wait, Step::Wait, Step::Open(ATTACKER)] {
        world.take(step, &mut tally);
    }
    assert!(world.take(Step::Confirm(Selector::Bare, 1), &mut tally));
    assert_eq!(tally.exceptions, 1);
}

fn selector() -> impl Strategy<Value = Selector> {
    prop_oneof![Just(Selector::Bare), Just(Selector::WithPassword), (0..4usize).prop_map(Selector::Own)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Open(ATTACKER)),
        2 => Just(Step::Open(VICTIM)),
        1 => Just(Step::Wait),
        3 => selector().prop_map(Step::Guess),
        2 => (selector(), 0..20usize).prop_map(|(selector, number)| Step::Confirm(selector, number)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_long_schedule_does_either(keeps in any::<bool>(), steps in prop::collection::vec(step(), 1..40)) {
        let (mut world, mut tally) = (World::new(keeps), Tally::default());
        for step in steps {
            if world.take(step, &mut tally) {
                break;
            }
        }
    }
}
