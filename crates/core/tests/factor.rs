//! Second factors: one row per refusal, the attacks, and the bound on guesses.
#![cfg(feature = "issue")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use postern_core::entropy::Random;
use postern_core::factor::{
    BackupCode, BackupCodes, BackupDigest, ChallengeAnswer, ChallengeId, ChallengeOutcome, ChallengePolicy,
    ChallengeRefusal, ContactFactor, EnrolmentOutcome, EnrolmentRefusal, FactorChallenge, FactorMethod,
    FactorRecord, PresentedFactor, TotpParameters, TotpSecret, answer_challenge, backup_codes,
    begin_enrolment, confirm_enrolment, use_factor,
};
use postern_core::id::{AccountId, ClientId, OperationId, SessionId, TenantId};
use postern_core::password::{Arena, Argon2Params, Pepper, Peppers};
use postern_core::secret::Secret;
use postern_core::session::{
    BindingRule, DeviceBinding, DeviceFinding, DeviceFingerprint, DeviceHint, FingerprintKey, KeyThumbprint,
    NetworkPrefixes,
};
use postern_core::time::{Seconds, UnixMillis};

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);
const PERIOD: u64 = 30_000;
/// Codes of the secret in [`World`], so many periods after [`NOW`], by an implementation of its own.
const CODES: [(u64, &str); 2] = [(0, "458176"), (1, "526044")];
const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const SESSION: SessionId = SessionId::from_bytes([2; 16]);

struct World {
    tenant: TenantId,
    client: ClientId,
    device: DeviceHint,
    fingerprint: DeviceFingerprint,
    pepper: Pepper,
    peppers: Peppers,
    secret: TotpSecret,
    codes: Vec<BackupCode>,
}

impl World {
    fn new() -> Self {
        let pepper = Pepper::new(1, Secret::new([9; 32]));
        let mut entropy = [0; 100];
        for (index, byte) in entropy.iter_mut().enumerate() {
            *byte = u8::try_from(index).unwrap();
        }
        Self {
            tenant: "acme".parse().unwrap(),
            client: "web".parse().unwrap(),
            device: DeviceHint::new(Some("Firefox"), Some("192.0.2.1")),
            fingerprint: fingerprint(Some("Firefox"), Some("192.0.2.1")),
            peppers: Peppers::new(Some(pepper.clone()), Vec::new()),
            pepper,
            secret: TotpSecret::new(Random::new([7; 20])),
            codes: backup_codes(Random::new(entropy)),
        }
    }

    fn digest(&self, code: &BackupCode) -> BackupDigest {
        let params = Argon2Params::new(8, 1, 1).unwrap();
        code.digest(&self.tenant, &ACCOUNT, &self.pepper, params, &mut Arena::new()).unwrap()
    }

    fn set(&self) -> BackupCodes {
        let left = self.codes.iter().map(|code| self.digest(code)).collect();
        BackupCodes { pepper_id: 1, left, created_at: NOW }
    }

    /// The code of an app at a moment.
    fn code(&self, at: UnixMillis) -> String {
        let known = CODES.iter().find(|(steps, _)| later(*steps) == at);
        known.expect("a moment whose code is known").1.into()
    }

    /// An account with a confirmed authenticator; its first code, that of [`NOW`], is used up.
    fn enrolled(&self) -> FactorRecord {
        let begun = stored(begin_enrolment(
            &FactorRecord::default(),
            "sealed".into(),
            1,
            TotpParameters::DEFAULT,
            NOW,
        ));
        stored(confirm_enrolment(&begun, Some(&self.secret), &self.code(NOW), self.set(), NOW))
    }

    fn challenged(&self, record: &FactorRecord) -> FactorRecord {
        record.challenged(self.challenge(SESSION, 5), NOW)
    }

    fn challenge(&self, session: SessionId, secret: u8) -> FactorChallenge {
        let secret = Secret::new([secret; 32]);
        let id = ChallengeId { tenant: &self.tenant, account: &ACCOUNT, secret: &secret };
        FactorChallenge {
            digest: id.digest(&self.pepper),
            pepper_id: 1,
            session,
            client_id: self.client.clone(),
            device: self.device.clone(),
            fingerprint: self.fingerprint.clone(),
            key_thumbprint: None,
            amr: vec!["pwd".into()],
            remember: false,
            credential_version: 3,
            expires_at: NOW.plus(ChallengePolicy::default().time_to_live),
            attempts: 0,
            answered_by: None,
            answered_with: None,
            enrols: false,
            sent: None,
            times_sent: 0,
        }
    }

    fn answer(&self, record: &FactorRecord, factor: PresentedFactor<'_>, at: UnixMillis) -> ChallengeOutcome {
        self.answer_as(record, factor, at, |_| {})
    }

    fn answer_as(
        &self,
        record: &FactorRecord,
        factor: PresentedFactor<'_>,
        at: UnixMillis,
        change: impl FnOnce(&mut Answer),
    ) -> ChallengeOutcome {
        let mut answer = Answer {
            tenant: self.tenant.clone(),
            account: ACCOUNT,
            secret: [5; 32],
            client: self.client.clone(),
            device: self.device.clone(),
            fingerprint: self.fingerprint.clone(),
            binding: DeviceBinding::default(),
            key: None,
            operation: [6; 16],
            enrols: false,
        };
        change(&mut answer);
        let secret = Secret::new(answer.secret);
        let (enrols, backup) = (answer.enrols, self.set());
        let policy = ChallengePolicy { binding: answer.binding, ..ChallengePolicy::default() };
        let answer = ChallengeAnswer {
            id: ChallengeId { tenant: &answer.tenant, account: &answer.account, secret: &secret },
            client_id: &answer.client,
            device: &answer.device,
            fingerprint: &answer.fingerprint,
            key: answer.key.as_ref(),
            factor,
            enrolment: enrols.then_some((&self.secret, &backup)),
            operation: OperationId::from_bytes(answer.operation),
        };
        answer_challenge(record, &answer, Some(&self.secret), &self.peppers, at, policy)
    }
}

fn fingerprint(user_agent: Option<&str>, ip: Option<&str>) -> DeviceFingerprint {
    let key = FingerprintKey::new(Secret::new([3; 32]));
    DeviceFingerprint::of(&DeviceHint::new(user_agent, ip), &ACCOUNT, &key, NetworkPrefixes::default())
}

/// Everything an answer is bound to, to be changed one by one.
struct Answer {
    tenant: TenantId,
    account: AccountId,
    secret: [u8; 32],
    client: ClientId,
    device: DeviceHint,
    fingerprint: DeviceFingerprint,
    binding: DeviceBinding,
    key: Option<KeyThumbprint>,
    operation: [u8; 16],
    enrols: bool,
}

fn stored(outcome: EnrolmentOutcome) -> FactorRecord {
    match outcome {
        EnrolmentOutcome::Stored(record) => record,
        EnrolmentOutcome::Refused { reason, .. } => panic!("{reason:?}"),
    }
}

fn refused(outcome: ChallengeOutcome) -> (ChallengeRefusal, Option<FactorRecord>) {
    match outcome {
        ChallengeOutcome::Refused { reason, write } => (reason, write),
        other => panic!("{other:?}"),
    }
}

fn passed(outcome: ChallengeOutcome) -> (FactorRecord, FactorMethod) {
    match outcome {
        ChallengeOutcome::Passed { write, challenge, method } => {
            assert_eq!(challenge.session, SESSION);
            (write, method)
        }
        other => panic!("{other:?}"),
    }
}

fn later(steps: u64) -> UnixMillis {
    UnixMillis::new(NOW.as_millis() + steps * PERIOD)
}

#[test]
fn nothing_is_guarded_before_the_first_code() {
    let world = World::new();
    let begun =
        stored(begin_enrolment(&FactorRecord::default(), "a".into(), 1, TotpParameters::DEFAULT, NOW));
    assert!(!begun.is_required() && begun.methods().is_empty());
    let enrolled = world.enrolled();
    assert!(enrolled.is_required() && enrolled.pending.is_none());
    assert_eq!(enrolled.methods(), [FactorMethod::Totp, FactorMethod::BackupCode]);
}

#[test]
fn enrolment_refuses_with_a_reason_each() {
    let world = World::new();
    let confirm = |record: &FactorRecord, code: &str, at| match confirm_enrolment(
        record,
        Some(&world.secret),
        code,
        world.set(),
        at,
    ) {
        EnrolmentOutcome::Refused { reason, write } => (reason, write),
        EnrolmentOutcome::Stored(_) => panic!("confirmed"),
    };
    let code = world.code(NOW);
    assert_eq!(confirm(&FactorRecord::default(), &code, NOW).0, EnrolmentRefusal::NotBegun);
    assert_eq!(confirm(&world.enrolled(), &code, NOW).0, EnrolmentRefusal::AlreadyEnrolled);
    let again = begin_enrolment(&world.enrolled(), "b".into(), 1, TotpParameters::DEFAULT, NOW);
    assert!(matches!(again, EnrolmentOutcome::Refused { reason: EnrolmentRefusal::AlreadyEnrolled, .. }));

    let mut begun =
        stored(begin_enrolment(&FactorRecord::default(), "a".into(), 1, TotpParameters::DEFAULT, NOW));
    assert_eq!(confirm(&begun, &code, NOW.plus(Seconds::new(600))).0, EnrolmentRefusal::NotBegun, "too late");
    for _ in 0..5 {
        let (reason, write) = confirm(&begun, "not it", NOW);
        assert_eq!(reason, EnrolmentRefusal::CodeWrong);
        begun = write.unwrap();
    }
    assert_eq!(confirm(&begun, &code, NOW).0, EnrolmentRefusal::Paused { retry_after_seconds: 600 });
}

#[test]
fn a_challenge_keeps_the_key_of_its_login() {
    let world = World::new();
    let (mine, thief) = (KeyThumbprint::from_bytes([1; 32]), KeyThumbprint::from_bytes([2; 32]));
    let of_login = |key_thumbprint| {
        let challenge = FactorChallenge { key_thumbprint, ..world.challenge(SESSION, 5) };
        world.enrolled().challenged(challenge, NOW)
    };
    let (at, code) = (later(1), world.code(later(1)));
    let answered = |record: &FactorRecord, key| {
        world.answer_as(record, PresentedFactor::Totp(&code), at, |answer| answer.key = key)
    };
    let bound = of_login(Some(mine));
    for (what, key) in [("without a key", None), ("with another", Some(thief))] {
        let (reason, counted) = refused(answered(&bound, key));
        assert_eq!((reason, counted.is_none()), (ChallengeRefusal::Unknown, true), "{what}");
    }
    let (used, _) = passed(answered(&bound, Some(mine)));
    // Not even the operation that has answered it goes on without its key.
    assert_eq!(refused(answered(&used, None)).0, ChallengeRefusal::Unknown);
    // A key may be shown with the second factor for the first time.
    for key in [None, Some(mine)] {
        passed(answered(&of_login(None), key));
    }
}

#[test]
fn a_challenge_is_answered_once() {
    let world = World::new();
    let record = world.challenged(&world.enrolled());
    let at = later(1);
    let code = world.code(at);
    let (used, method) = passed(world.answer(&record, PresentedFactor::Totp(&code), at));
    assert_eq!(method, FactorMethod::Totp);
    // The same operation has lost its answer; any other is somebody else.
    assert!(matches!(
        world.answer(&used, PresentedFactor::Totp(&code), at),
        ChallengeOutcome::Repeated { .. }
    ));
    let other = |answer: &mut Answer| answer.operation = [7; 16];
    let replay = world.answer_as(&used, PresentedFactor::Totp(&code), at, other);
    assert_eq!(refused(replay).0, ChallengeRefusal::Unknown);
    // Nor does the code answer another challenge.
    let next = used.challenged(world.challenge(SessionId::from_bytes([3; 16]), 8), at);
    let elsewhere =
        world.answer_as(&next, PresentedFactor::Totp(&code), at, |answer| answer.secret = [8; 32]);
    assert_eq!(refused(elsewhere).0, ChallengeRefusal::FactorWrong);
}

#[test]
fn the_code_that_enrolled_the_app_lets_nobody_in() {
    let world = World::new();
    let record = world.challenged(&world.enrolled());
    let outcome = world.answer(&record, PresentedFactor::Totp(&world.code(NOW)), NOW);
    assert_eq!(refused(outcome).0, ChallengeRefusal::FactorWrong);
}

#[test]
fn a_challenge_moves_to_nobody_else() {
    let world = World::new();
    let record = world.challenged(&world.enrolled());
    let at = later(1);
    let code = world.code(at);
    type Move = (&'static str, fn(&mut Answer));
    let moves: [Move; 6] = [
        ("another tenant", |answer| answer.tenant = "other".parse().unwrap()),
        ("another account", |answer| answer.account = AccountId::from_bytes([8; 16])),
        ("another secret", |answer| answer.secret = [6; 32]),
        ("another client", |answer| answer.client = "app".parse().unwrap()),
        ("another device", |answer| answer.device = DeviceHint::new(Some("curl"), Some("192.0.2.1"))),
        ("no device", |answer| answer.device = DeviceHint::default()),
    ];
    for (name, change) in moves {
        let (reason, write) = refused(world.answer_as(&record, PresentedFactor::Totp(&code), at, change));
        assert_eq!(reason, ChallengeRefusal::Unknown, "{name}");
        assert!(write.is_none(), "{name} costs the owner nothing");
    }
    // A phone that leaves its network is still the same device.
    let moved = |answer: &mut Answer| answer.device = DeviceHint::new(Some("Firefox"), Some("198.51.100.7"));
    let _ = passed(world.answer_as(&record, PresentedFactor::Totp(&code), at, moved));
    let expired = world.answer(&record, PresentedFactor::Totp(&code), NOW.plus(Seconds::new(180)));
    assert_eq!(refused(expired).0, ChallengeRefusal::Unknown);
}

#[test]
fn a_bound_challenge_is_answered_where_it_was_made() {
    let world = World::new();
    let record = world.challenged(&world.enrolled());
    let at = later(1);
    let code = world.code(at);
    let rule = BindingRule { enforce: true, detect: true };
    let binding = DeviceBinding { network: rule, user_agent: rule };
    let from = |user_agent: Option<&str>, ip: Option<&str>| {
        let device = fingerprint(user_agent, ip);
        world.answer_as(&record, PresentedFactor::Totp(&code), at, |answer| {
            answer.fingerprint = device;
            answer.binding = binding;
        })
    };
    let (fine, not) = (DeviceFinding::Fine, DeviceFinding::Rejected);
    for (user_agent, ip, network, agent) in [
        (Some("Firefox"), Some("192.0.2.2"), not, fine),
        (Some("Firefox"), None, not, fine),
        (Some("curl"), Some("192.0.2.1"), fine, not),
        (None, None, not, not),
    ] {
        let (reason, write) = refused(from(user_agent, ip));
        let ChallengeRefusal::DeviceRejected { session, device } = reason else { panic!("{reason:?}") };
        assert_eq!((session, device.network, device.user_agent), (SESSION, network, agent));
        assert_eq!(reason.code(), "device_binding_rejected");
        assert!(write.is_none(), "it costs the owner nothing");
    }
    let _ = passed(from(Some("Firefox"), Some("192.0.2.1")));
}

#[test]
fn five_guesses_kill_a_challenge_and_pause_the_account() {
    let world = World::new();
    let mut record = world.challenged(&world.enrolled());
    let at = later(1);
    let right = world.code(at);
    for guess in 0..5 {
        let (reason, write) = refused(world.answer(&record, PresentedFactor::Totp("000000"), at));
        assert_eq!(reason, ChallengeRefusal::FactorWrong, "{guess}");
        record = write.unwrap();
    }
    assert_eq!(
        refused(world.answer(&record, PresentedFactor::Totp(&right), at)).0,
        ChallengeRefusal::AttemptsExhausted
    );
    // A new challenge brings no new guesses.
    let fresh = record.challenged(world.challenge(SessionId::from_bytes([3; 16]), 8), at);
    let other = |answer: &mut Answer| answer.secret = [8; 32];
    let paused = world.answer_as(&fresh, PresentedFactor::Totp(&right), at, other);
    assert_eq!(refused(paused).0, ChallengeRefusal::Paused { retry_after_seconds: 600 });
    // Nor do backup codes, or a session that is open already.
    let digests = [(1, world.digest(&world.codes[0]))];
    assert_eq!(
        use_factor(&fresh, Some(&world.secret), PresentedFactor::BackupCode(&digests), at).err(),
        Some(600)
    );
}

/// Whoever has the password and guesses all year, at every moment at which a guess is compared, and an owner who comes back.
#[test]
fn a_year_of_guesses_is_two_thousand_and_the_owner_is_let_in_within_a_day() {
    let world = World::new();
    let mut record = world.enrolled();
    let (mut compared, mut pauses) = (0, Vec::new());
    let mut at = NOW;
    while at < NOW.plus(Seconds::new(365 * 86_400)) {
        match use_factor(&record, Some(&world.secret), PresentedFactor::Totp("000000"), at) {
            Ok((next, None)) => (record, compared) = (next, compared + 1),
            Ok((_, Some(_))) => panic!("guessed"),
            Err(seconds) => {
                pauses.push(seconds);
                at = at.plus(Seconds::new(u32::try_from(seconds).unwrap()));
            }
        }
    }
    assert_eq!(pauses[..9], [600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 76_800, 86_400]);
    assert!(pauses[9..].iter().all(|seconds| *seconds == 86_400));
    // Three codes in a million are right at any moment: less than one thief in 170 gets in.
    assert!((1_500..=1_900).contains(&compared), "{compared}");
    let wait = use_factor(&record, Some(&world.secret), PresentedFactor::Totp("000000"), at).err();
    let home = at.plus(Seconds::new(u32::try_from(wait.unwrap_or(0)).unwrap()));
    let digests = [(1, world.digest(&world.codes[0]))];
    let owner = use_factor(&record, Some(&world.secret), PresentedFactor::BackupCode(&digests), home);
    let (record, method) = owner.unwrap();
    assert_eq!(method, Some(FactorMethod::BackupCode));
    // A success clears it all: the next five are followed by ten minutes.
    let mut next = record;
    for _ in 0..5 {
        next = use_factor(&next, Some(&world.secret), PresentedFactor::Totp("000000"), home).unwrap().0;
    }
    let paused = use_factor(&next, Some(&world.secret), PresentedFactor::Totp("000000"), home).err();
    assert_eq!(paused, Some(600));
    // And so does a month of silence.
    let silence = home.plus(Seconds::new(30 * 86_400));
    let after = use_factor(&next, Some(&world.secret), PresentedFactor::Totp("000000"), silence).unwrap().0;
    assert!(use_factor(&after, Some(&world.secret), PresentedFactor::Totp("000000"), silence).is_ok());
}

#[test]
fn a_backup_code_works_once_and_only_for_its_account() {
    let world = World::new();
    let record = world.challenged(&world.enrolled());
    let digests = [(1, world.digest(&world.codes[3]))];
    let (used, method) = passed(world.answer(&record, PresentedFactor::BackupCode(&digests), NOW));
    assert_eq!((method, used.backup.as_ref().unwrap().left.len()), (FactorMethod::BackupCode, 9));
    let again = use_factor(&used, Some(&world.secret), PresentedFactor::BackupCode(&digests), NOW).unwrap();
    assert_eq!(again.1, None);
    for unknown in [vec![], vec![(2, world.digest(&world.codes[3]))]] {
        let (reason, _) = refused(world.answer(&record, PresentedFactor::BackupCode(&unknown), NOW));
        assert_eq!(reason, ChallengeRefusal::FactorWrong);
    }
}

#[test]
fn backup_codes_stand_behind_a_passkey_too() {
    let world = World::new();
    let behind_passkey = FactorRecord { totp: None, ..world.enrolled() };
    assert!(behind_passkey.has_codes() && !behind_passkey.is_required());
    assert_eq!(behind_passkey.methods(), [FactorMethod::BackupCode]);
    let record = world.challenged(&behind_passkey);
    let digests = [(1, world.digest(&world.codes[3]))];
    let (used, _) = passed(world.answer(&record, PresentedFactor::BackupCode(&digests), NOW));
    assert_eq!(used.backup.as_ref().unwrap().left.len(), 9);
    let (reason, _) = refused(world.answer(&record, PresentedFactor::Totp(&world.code(NOW)), NOW));
    assert_eq!(reason, ChallengeRefusal::FactorWrong);
    let none_left = FactorRecord { backup: None, ..behind_passkey };
    assert!(!none_left.has_codes() && none_left.methods().is_empty());
}

#[test]
fn a_success_clears_the_count() {
    let world = World::new();
    let mut record = world.challenged(&world.enrolled());
    for _ in 0..4 {
        record = refused(world.answer(&record, PresentedFactor::Totp("000000"), NOW)).1.unwrap();
    }
    let at = later(1);
    let (record, _) = passed(world.answer(&record, PresentedFactor::Totp(&world.code(at)), at));
    let (record, method) =
        use_factor(&record, Some(&world.secret), PresentedFactor::Totp("000000"), at).unwrap();
    assert_eq!(method, None);
    assert!(use_factor(&record, Some(&world.secret), PresentedFactor::Totp("000000"), at).is_ok());
}

/// The owner is told once for each pause, whatever else changes meanwhile.
#[test]
fn a_pause_begins_once_and_can_be_forgiven() {
    let world = World::new();
    let wrong = |record: &FactorRecord, at: UnixMillis| {
        use_factor(record, Some(&world.secret), PresentedFactor::Totp("000000"), at).map(|(next, _)| next)
    };
    let mut record = world.enrolled();
    let mut began = Vec::new();
    let mut at = NOW;
    for _ in 0..10 {
        if let Some(until) = record.guard.paused_until(at) {
            assert_eq!(wrong(&record, at).err(), Some(at.seconds_until(until)));
            assert!(wrong(&record, UnixMillis::new(until.as_millis() - 1)).is_err());
            at = until;
        }
        let next = wrong(&record, at).unwrap();
        began.push(next.pauses_since(&record, at));
        // Something else changes while attempts pause.
        assert!(!next.challenged(world.challenge(SESSION, 5), at).pauses_since(&next, at));
        assert!(!next.without_factors().pauses_since(&next, at));
        record = next;
    }
    assert_eq!(began, [false, false, false, false, true, false, false, false, false, true]);
    assert_eq!(record.guard.failures(at), 10);
    let forgiven = record.clone().forgiven();
    assert_eq!((forgiven.guard.failures(at), forgiven.guard.paused_until(at)), (0, None));
    assert!(!forgiven.pauses_since(&record, at));
    assert!(wrong(&forgiven, at).is_ok());
    let silence = at.plus(Seconds::new(30 * 86_400));
    assert_eq!((record.guard.failures(silence), record.guard.paused_until(silence)), (0, None));
}

#[test]
fn challenges_are_few_and_forgotten() {
    let world = World::new();
    let mut record = world.enrolled();
    for number in 0..20 {
        record = record.challenged(world.challenge(SessionId::from_bytes([number; 16]), number), NOW);
    }
    assert_eq!(record.challenges.len(), 8);
    let again = record.challenged(world.challenge(SessionId::from_bytes([19; 16]), 77), NOW);
    assert_eq!(again.challenges.len(), 8, "the same login again replaces its challenge");
    let after = NOW.plus(Seconds::new(180));
    let late = FactorChallenge { expires_at: after.plus(Seconds::new(180)), ..world.challenge(SESSION, 5) };
    assert_eq!(record.challenged(late, after).challenges.len(), 1);
}

#[test]
fn without_a_second_factor_there_is_nothing_to_answer() {
    let world = World::new();
    let record = world.challenged(&FactorRecord::default());
    let (reason, _) = refused(world.answer(&record, PresentedFactor::Totp(&world.code(NOW)), NOW));
    assert_eq!(reason, ChallengeRefusal::FactorWrong);
}

#[test]
fn a_login_that_has_to_enrol_is_answered_by_the_first_code() {
    let world = World::new();
    let waiting = FactorChallenge { enrols: true, ..world.challenge(SESSION, 5) };
    let begun = stored(begin_enrolment(
        &FactorRecord::default().challenged(waiting, NOW),
        "sealed".into(),
        1,
        TotpParameters::DEFAULT,
        NOW,
    ));
    let code = world.code(NOW);
    let right = PresentedFactor::Totp(&code);
    let enrolling = |answer: &mut Answer| answer.enrols = true;
    // Without its secret, with another code, or with what it has not: counted, and nothing is enrolled.
    let nothing: [(u32, BackupDigest); 0] = [];
    let wrongs = [
        world.answer(&begun, right, NOW),
        world.answer_as(&begun, PresentedFactor::Totp("000000"), NOW, enrolling),
        world.answer_as(&begun, PresentedFactor::BackupCode(&nothing), NOW, enrolling),
        world.answer_as(&begun, PresentedFactor::Passkey(None), NOW, enrolling),
        world.answer_as(&FactorRecord { pending: None, ..begun.clone() }, right, NOW, enrolling),
    ];
    for wrong in wrongs {
        let (reason, write) = refused(wrong);
        let write = write.unwrap();
        assert_eq!((reason, write.challenges[0].attempts), (ChallengeRefusal::FactorWrong, 1));
        assert!(!write.is_required() && !write.has_codes());
    }
    let (record, method) = passed(world.answer_as(&begun, right, NOW, enrolling));
    assert_eq!(method, FactorMethod::Totp);
    assert!(record.is_required() && record.pending.is_none() && record.backup.is_some());
    assert!(record.challenges[0].answered_by.is_some());
    // Any other challenge enrols nothing, and what has been enrolled meanwhile is asked for.
    let ordinary = FactorRecord { challenges: vec![world.challenge(SESSION, 5)], ..begun.clone() };
    assert_eq!(refused(world.answer_as(&ordinary, right, NOW, enrolling)).0, ChallengeRefusal::FactorWrong);
    let meanwhile = FactorRecord { challenges: begun.challenges.clone(), ..world.enrolled() };
    assert_eq!(refused(world.answer_as(&meanwhile, right, NOW, enrolling)).0, ChallengeRefusal::FactorWrong);
    let next = world.code(later(1));
    let asked = world.answer_as(&meanwhile, PresentedFactor::Totp(&next), later(1), enrolling);
    assert_eq!(passed(asked).1, FactorMethod::Totp);
    // So it is with one that is sent: an authenticator of whoever has the login must not stand in for it.
    let contact = ContactFactor { value: "a@example.com".into(), confirmed_at: NOW };
    let sent = FactorRecord { email: Some(contact.clone()), ..begun.clone() };
    assert_eq!(refused(world.answer_as(&sent, right, NOW, enrolling)).0, ChallengeRefusal::FactorWrong);
    let sent = FactorRecord { sms: Some(contact), ..begun };
    assert_eq!(refused(world.answer_as(&sent, right, NOW, enrolling)).0, ChallengeRefusal::FactorWrong);
}

#[test]
fn a_login_that_has_to_enrol_is_answered_by_a_new_passkey() {
    let world = World::new();
    let other = world.challenge(SessionId::from_bytes([8; 16]), 6);
    let waiting = [other, world.challenge(SESSION, 5)].map(|it| FactorChallenge { enrols: true, ..it });
    let waiting = FactorRecord { challenges: waiting.into(), ..FactorRecord::default() };
    let backup = world.set();
    let right = PresentedFactor::NewPasskey(Some(&backup));
    // A registration that was not right is counted.
    let (reason, write) = refused(world.answer(&waiting, PresentedFactor::NewPasskey(None), NOW));
    let write = write.unwrap();
    assert_eq!(reason, ChallengeRefusal::FactorWrong);
    assert!(write.challenges.iter().any(|it| it.attempts == 1) && !write.has_codes());
    // With it come backup codes, and every other login that waits has to begin again.
    let (record, method) = passed(world.answer(&waiting, right, NOW));
    assert_eq!(method, FactorMethod::Passkey);
    assert!(record.backup.is_some() && record.totp.is_none());
    assert_eq!(record.challenges.iter().map(|left| left.session).collect::<Vec<_>>(), [SESSION]);
    // No other login registers one, and where another factor has come meanwhile that is asked for.
    let ordinary = world.challenged(&FactorRecord::default());
    assert_eq!(refused(world.answer(&ordinary, right, NOW)).0, ChallengeRefusal::FactorWrong);
    let meanwhile = FactorRecord { challenges: waiting.challenges, ..world.enrolled() };
    assert_eq!(refused(world.answer(&meanwhile, right, NOW)).0, ChallengeRefusal::FactorWrong);
    assert!(!matches!(use_factor(&meanwhile, Some(&world.secret), right, NOW), Ok((_, Some(_)))));
}

#[test]
fn a_factor_that_comes_ends_every_other_login_that_waits() {
    let world = World::new();
    let other = SessionId::from_bytes([8; 16]);
    let two = [world.challenge(other, 6), world.challenge(SESSION, 5)];
    let waiting = two.map(|challenge| FactorChallenge { enrols: true, ..challenge });
    let waiting = FactorRecord { challenges: waiting.into(), ..FactorRecord::default() };
    let begun = stored(begin_enrolment(&waiting, "sealed".into(), 1, TotpParameters::DEFAULT, NOW));
    assert_eq!(begun.challenges.len(), 2, "nothing has come yet");
    let code = world.code(NOW);
    // By one of them, which is kept for an answer that got lost.
    let (record, _) =
        passed(world.answer_as(&begun, PresentedFactor::Totp(&code), NOW, |it| it.enrols = true));
    assert_eq!(record.challenges.iter().map(|left| left.session).collect::<Vec<_>>(), [SESSION]);
    let settled = record.settled();
    assert!(settled.is_required() && settled.challenges.len() == 1, "what was answered");
    // By a session.
    let record = stored(confirm_enrolment(&begun, Some(&world.secret), &code, world.set(), NOW));
    assert!(record.challenges.is_empty());
    // By a change of password or status.
    assert!(begun.settled().challenges.is_empty());
}

#[test]
fn a_record_survives_storage_and_debug_shows_no_secret() {
    let world = World::new();
    let record = world.challenged(&world.enrolled());
    let text = serde_json::to_string(&record).unwrap();
    let read: FactorRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let shown = format!("{:?} {:?} {record:?}", world.secret, world.codes[0]);
    let plain = world.codes[0].shown();
    for secret in [world.secret.to_base32().expose(), plain.expose(), &plain.expose().replace('-', "")] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(
        !shown.contains(text.split(r#""left":[""#).nth(1).unwrap().split('"').next().unwrap()),
        "{shown}"
    );
    let empty: FactorRecord = serde_json::from_str("{}").unwrap();
    assert!(!empty.is_required());
}
