//! Codes by mail and SMS as second factors: set up by proof, bound to one login, few, and behind a password alone.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use postern_core::factor::{
    BackupCodes, ChallengeAnswer, ChallengeId, ChallengeOutcome, ChallengePolicy, ChallengeRefusal,
    CodeOwner, ContactOutcome, FactorChallenge, FactorGuard, FactorMethod, FactorRecord, PresentedFactor,
    SENT_CODE_TTL, SendRefusal, answer_challenge, begin_contact, confirm_contact, send_code,
    send_step_up_code, use_step_up_code,
};
use postern_core::id::{AccountId, ClientId, OperationId, SessionId, TenantId};
use postern_core::identifier::masked;
use postern_core::password::{Pepper, Peppers};
use postern_core::secret::Secret;
use postern_core::session::{DeviceFingerprint, DeviceHint};
use postern_core::throttle::RateLimit;
use postern_core::time::{Seconds, UnixMillis};

const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);
const ME: AccountId = AccountId::from_bytes([1; 16]);
const OTHER: AccountId = AccountId::from_bytes([9; 16]);
const CODE: &str = "123456";
const METHODS: [FactorMethod; 2] = [FactorMethod::Email, FactorMethod::Sms];

struct World {
    tenant: TenantId,
    client: ClientId,
    device: DeviceHint,
    pepper: Pepper,
    peppers: Peppers,
}

fn later(seconds: u32) -> UnixMillis {
    NOW.plus(Seconds::new(seconds))
}

fn codes() -> BackupCodes {
    BackupCodes { pepper_id: 1, left: Vec::new(), created_at: NOW }
}

impl World {
    fn new() -> Self {
        let pepper = || Pepper::new(1, Secret::new([7; 32]));
        Self {
            tenant: "acme".parse().unwrap(),
            client: "web".parse().unwrap(),
            device: DeviceHint::new(Some("Firefox"), None),
            pepper: pepper(),
            peppers: Peppers::new(Some(pepper()), Vec::new()),
        }
    }

    fn owner(&self) -> CodeOwner<'_> {
        CodeOwner { tenant: &self.tenant, account: &ME, pepper: &self.pepper }
    }

    fn begun(&self, method: FactorMethod) -> FactorRecord {
        begin_contact(&FactorRecord::default(), self.owner(), method, "a@example.com".into(), CODE, NOW)
            .unwrap()
    }

    fn confirm(
        &self,
        record: &FactorRecord,
        method: FactorMethod,
        code: &str,
        at: UnixMillis,
    ) -> ContactOutcome {
        confirm_contact(record, (&self.tenant, &ME), method, code, Some(codes()), &self.peppers, at)
    }

    /// An account with this factor, set up a while ago.
    fn enrolled(&self, method: FactorMethod) -> FactorRecord {
        match self.confirm(&self.begun(method), method, CODE, NOW) {
            ContactOutcome::Confirmed(record) => FactorRecord { sent_at: None, ..record },
            other => panic!("{other:?}"),
        }
    }

    fn waiting(&self, record: &FactorRecord, number: u8, amr: &str) -> FactorRecord {
        let secret = Secret::new([number; 32]);
        let challenge = FactorChallenge {
            digest: self.id(&secret, &ME).digest(&self.pepper),
            pepper_id: 1,
            session: SessionId::from_bytes([number; 16]),
            client_id: self.client.clone(),
            device: self.device.clone(),
            fingerprint: DeviceFingerprint::default(),
            key_thumbprint: None,
            amr: vec![amr.into()],
            remember: false,
            credential_version: 1,
            expires_at: later(180),
            attempts: 0,
            answered_by: None,
            answered_with: None,
            enrols: false,
            sent: None,
            times_sent: 0,
        };
        record.challenged(challenge, NOW)
    }

    fn id<'a>(&'a self, secret: &'a Secret<32>, account: &'a AccountId) -> ChallengeId<'a> {
        ChallengeId { tenant: &self.tenant, account, secret }
    }

    fn send(
        &self,
        record: &FactorRecord,
        number: u8,
        method: FactorMethod,
        code: &str,
        at: UnixMillis,
    ) -> Result<(FactorRecord, String), SendRefusal> {
        let secret = Secret::new([number; 32]);
        let (who, peppers) = ((&self.client, &self.device), (&self.peppers, &self.pepper));
        send_code(record, self.id(&secret, &ME), who, (method, code), peppers, at)
    }

    fn answer(
        &self,
        record: &FactorRecord,
        number: u8,
        factor: PresentedFactor<'_>,
        at: UnixMillis,
    ) -> ChallengeOutcome {
        let secret = Secret::new([number; 32]);
        let answer = ChallengeAnswer {
            id: self.id(&secret, &ME),
            client_id: &self.client,
            device: &self.device,
            fingerprint: &DeviceFingerprint::default(),
            key: None,
            factor,
            enrolment: None,
            operation: OperationId::from_bytes([number; 16]),
        };
        answer_challenge(record, &answer, None, &self.peppers, at, ChallengePolicy::default())
    }
}

fn reason(outcome: ChallengeOutcome) -> ChallengeRefusal {
    match outcome {
        ChallengeOutcome::Refused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_place_is_a_factor_once_its_code_has_come_back() {
    let world = World::new();
    for method in METHODS {
        let begun = world.begun(method);
        assert!(!begun.is_required() && begun.methods().is_empty());
        let enrolled = world.enrolled(method);
        assert!(enrolled.is_required() && enrolled.pending_contact.is_none() && enrolled.has_codes());
        assert_eq!(enrolled.contact(method).unwrap().value, "a@example.com");
        let [one, two] = METHODS;
        let other = if method == one { two } else { one };
        assert!(enrolled.contact(other).is_none());
        for wrong in [
            world.confirm(&begun, other, CODE, NOW),
            world.confirm(&begun, method, CODE, later(600)),
            world.confirm(&FactorRecord::default(), method, CODE, NOW),
            world.confirm(&enrolled, method, CODE, NOW),
        ] {
            assert!(matches!(wrong, ContactOutcome::NotBegun), "{wrong:?}");
        }
        let nothing = confirm_contact(&begun, (&world.tenant, &ME), method, CODE, None, &world.peppers, NOW);
        assert!(matches!(nothing, ContactOutcome::BackupCodesWanted));
        // Its own account and tenant alone.
        let elsewhere = "other".parse().unwrap();
        for (tenant, account) in [(&world.tenant, &OTHER), (&elsewhere, &ME)] {
            let moved = confirm_contact(&begun, (tenant, account), method, CODE, None, &world.peppers, NOW);
            assert!(matches!(moved, ContactOutcome::Wrong(_)), "{moved:?}");
        }
    }
}

#[test]
fn a_code_that_is_on_its_way_does_not_outlive_its_place() {
    let world = World::new();
    let session = SessionId::from_bytes([4; 16]);
    for method in METHODS {
        let sent = world.waiting(&world.enrolled(method), 5, "pwd");
        let (sent, _) = world.send(&sent, 5, method, CODE, NOW).unwrap();
        let sent = FactorRecord { sent_at: None, ..sent };
        let (sent, _) = send_step_up_code(&sent, world.owner(), session, (method, CODE), NOW).unwrap();
        let sent = FactorRecord { sent_at: None, ..sent };
        let (place, new) = ("b@example.com".into(), "654321");
        let begun = begin_contact(&sent, world.owner(), method, place, new, NOW).unwrap();
        let ContactOutcome::Confirmed(moved) = world.confirm(&begun, method, new, NOW) else { panic!() };
        let factor = PresentedFactor::Sent(method, CODE);
        assert!(matches!(world.answer(&begun, 5, factor, NOW), ChallengeOutcome::Passed { .. }));
        assert_eq!(reason(world.answer(&moved, 5, factor, NOW)), ChallengeRefusal::Unknown);
        let owner = (&world.tenant, &ME);
        for (record, works) in [(&begun, true), (&moved, false)] {
            let used = use_step_up_code(record, owner, session, (method, CODE), &world.peppers, NOW);
            assert_eq!(used.unwrap().1, works);
        }
    }
}

#[test]
fn five_guesses_end_a_set_up_and_pause_the_account() {
    let world = World::new();
    let mut record = world.begun(FactorMethod::Email);
    for _ in 0..5 {
        record = match world.confirm(&record, FactorMethod::Email, "000000", NOW) {
            ContactOutcome::Wrong(counted) => counted,
            other => panic!("{other:?}"),
        };
    }
    let dead = world.confirm(&record, FactorMethod::Email, CODE, NOW);
    assert!(matches!(dead, ContactOutcome::NotBegun));
    let again = FactorRecord { sent_at: None, ..record };
    let again =
        begin_contact(&again, world.owner(), FactorMethod::Email, "a@example.com".into(), CODE, NOW).unwrap();
    let paused = world.confirm(&again, FactorMethod::Email, CODE, NOW);
    assert!(matches!(paused, ContactOutcome::Paused { retry_after_seconds: 600 }), "{paused:?}");
}

#[test]
fn a_login_is_answered_by_its_own_code_once() {
    let world = World::new();
    for method in METHODS {
        let two = world.waiting(&world.waiting(&world.enrolled(method), 5, "pwd"), 6, "pwd");
        let (record, to) = world.send(&two, 5, method, CODE, NOW).unwrap();
        assert_eq!(to, "a@example.com");
        let right = PresentedFactor::Sent(method, CODE);
        let [email, sms] = METHODS;
        let other = PresentedFactor::Sent(if method == email { sms } else { email }, CODE);
        let wrongs = [
            world.answer(&two, 5, right, NOW),
            world.answer(&record, 6, right, NOW),
            world.answer(&record, 5, PresentedFactor::Sent(method, "123457"), NOW),
            world.answer(&record, 5, other, NOW),
            world.answer(&record, 5, PresentedFactor::Totp(CODE), NOW),
        ];
        for wrong in wrongs {
            assert_eq!(reason(wrong), ChallengeRefusal::FactorWrong);
        }
        assert_eq!(
            reason(world.answer(&record, 5, right, NOW.plus(SENT_CODE_TTL))),
            ChallengeRefusal::Unknown
        );
        let ChallengeOutcome::Passed { write, challenge, method: by } =
            world.answer(&record, 5, right, later(599))
        else {
            panic!("refused")
        };
        assert_eq!(by, method);
        let said = if method == email { "otp" } else { "sms" };
        assert_eq!(challenge.answered_amr(), ["pwd", said, "mfa"]);
        // The login's end moved no other's, and the code of another login is not this one's.
        assert_eq!(reason(world.answer(&write, 6, right, later(200))), ChallengeRefusal::Unknown);
        let (newer, _) = world.send(&record, 5, method, "654321", later(60)).unwrap();
        assert_eq!(reason(world.answer(&newer, 5, right, later(60))), ChallengeRefusal::FactorWrong);
    }
}

#[test]
fn codes_are_few_and_slow() {
    let world = World::new();
    let method = FactorMethod::Email;
    let mut record = world.waiting(&world.waiting(&world.enrolled(method), 5, "pwd"), 6, "pwd");
    for time in 0..3 {
        record = world.send(&record, 5, method, CODE, later(time * 60)).unwrap().0;
        // The pause is the account's, not the login's.
        for number in [5, 6] {
            let soon = world.send(&record, number, method, CODE, later(time * 60 + 59));
            let wait = SendRefusal::TooSoon { retry_after_seconds: 1 };
            assert_eq!(soon.unwrap_err(), if number == 5 && time == 2 { SendRefusal::NoLogin } else { wait });
        }
    }
    assert_eq!(world.send(&record, 5, method, CODE, later(500)).unwrap_err(), SendRefusal::NoLogin);
    // A clock that fell back keeps nobody waiting.
    assert!(world.send(&record, 6, method, CODE, later(10)).is_ok());
    assert_eq!(world.send(&record, 7, method, CODE, later(170)).unwrap_err(), SendRefusal::NoLogin);
    let other = world.send(&record, 6, FactorMethod::Sms, CODE, later(170));
    assert_eq!(other.unwrap_err(), SendRefusal::NotEnrolled);
}

#[test]
fn an_account_is_sent_no_more_than_an_address_is() {
    let limit = RateLimit::new(2, Seconds::new(600)).unwrap();
    for [method, other] in [METHODS, [METHODS[1], METHODS[0]]] {
        let sent = |record: &FactorRecord, method, at| record.clone().rated(method, Some(limit), at);
        let one = sent(&FactorRecord::default(), method, NOW).unwrap();
        let two = sent(&one, method, NOW).unwrap();
        let wait = SendRefusal::TooSoon { retry_after_seconds: 300 };
        assert_eq!(sent(&two, method, NOW).unwrap_err(), wait);
        assert_eq!(sent(&two.without_factors(), method, NOW).unwrap_err(), wait, "not by removing it");
        assert_eq!(sent(&two.clone().settled(), method, NOW).unwrap_err(), wait, "nor by another password");
        assert!(sent(&two, other, NOW).is_ok() && sent(&two, method, later(300)).is_ok());
        assert!(two.rated(method, None, NOW).is_ok(), "where nothing is limited");
    }
}

#[test]
fn a_place_alone_does_not_recover_an_account_with_another_factor_beside_it() {
    let world = World::new();
    let [email, sms] = METHODS.map(|method| world.enrolled(method));
    let both = FactorRecord { sms: sms.sms.clone(), ..email.clone() };
    let nothing = FactorRecord::default();
    assert!(both.asks_to_recover(false) && email.asks_to_recover(true) && sms.asks_to_recover(true));
    // What is sent, or a passkey, alone: no code could come with the request, or it would be the same once more.
    assert!(!email.asks_to_recover(false) && !sms.asks_to_recover(false) && !nothing.asks_to_recover(true));
}

#[test]
fn what_is_sent_stands_behind_a_password_alone() {
    let world = World::new();
    for method in METHODS {
        let enrolled = world.enrolled(method);
        for amr in ["otp", "pop", "PWD", ""] {
            let record = world.waiting(&enrolled, 5, amr);
            assert_eq!(
                world.send(&record, 5, method, CODE, NOW).unwrap_err(),
                SendRefusal::NotEnrolled,
                "{amr}"
            );
            // Nor is a code taken that was sent when the login was another.
            let sent = world.send(&world.waiting(&enrolled, 5, "pwd"), 5, method, CODE, NOW).unwrap().0;
            let mut moved = sent.clone();
            moved.challenges[0].amr = vec![amr.into()];
            let answer = world.answer(&moved, 5, PresentedFactor::Sent(method, CODE), NOW);
            assert_eq!(reason(answer), ChallengeRefusal::FactorWrong, "{amr}");
        }
    }
}

#[test]
fn a_code_within_a_session_is_that_sessions_once() {
    let world = World::new();
    for method in METHODS {
        let enrolled = world.enrolled(method);
        let session = |number: u8| SessionId::from_bytes([number; 16]);
        let send = |record: &FactorRecord, number, code, at| {
            send_step_up_code(record, world.owner(), session(number), (method, code), at)
        };
        let used = |record: &FactorRecord, owner: (&TenantId, &AccountId), number, code, at| {
            use_step_up_code(record, owner, session(number), (method, code), &world.peppers, at)
        };
        let (sent, to) = send(&enrolled, 5, CODE, NOW).unwrap();
        assert_eq!(to, "a@example.com");
        let mine = (&world.tenant, &ME);
        let (left, is_right) = used(&sent, mine, 5, CODE, later(599)).unwrap();
        assert!(is_right && left.step_up.is_none());
        let elsewhere = "other".parse().unwrap();
        for wrong in [
            used(&enrolled, mine, 5, CODE, NOW),
            used(&left, mine, 5, CODE, NOW),
            used(&sent, mine, 6, CODE, NOW),
            used(&sent, mine, 5, "000000", NOW),
            used(&sent, mine, 5, CODE, later(600)),
            used(&sent, (&world.tenant, &OTHER), 5, CODE, NOW),
            used(&sent, (&elsewhere, &ME), 5, CODE, NOW),
        ] {
            let (counted, is_right) = wrong.unwrap();
            assert!(!is_right && counted.guard != FactorGuard::default());
        }
        // Nor does it answer a login, or the other way round.
        let waiting = world.waiting(&sent, 5, "pwd");
        let answer = world.answer(&waiting, 5, PresentedFactor::Sent(method, CODE), NOW);
        assert_eq!(reason(answer), ChallengeRefusal::FactorWrong);
        let login = world.send(&world.waiting(&enrolled, 5, "pwd"), 5, method, CODE, NOW).unwrap().0;
        assert!(!used(&login, mine, 5, CODE, NOW).unwrap().1);
        // One a minute, and five guesses.
        let soon = SendRefusal::TooSoon { retry_after_seconds: 1 };
        assert_eq!(send(&sent, 6, CODE, later(59)).unwrap_err(), soon);
        let newer = send(&sent, 6, "654321", later(60)).unwrap().0;
        assert!(!used(&newer, mine, 5, CODE, later(60)).unwrap().1);
        let none = FactorRecord::default();
        assert_eq!(send(&none, 5, CODE, NOW).unwrap_err(), SendRefusal::NotEnrolled);
        let mut guessed = sent;
        for _ in 0..5 {
            guessed = used(&guessed, mine, 5, "000000", NOW).unwrap().0;
        }
        assert_eq!(used(&guessed, mine, 5, CODE, NOW).unwrap_err(), 600);
    }
}

#[test]
fn a_record_of_before_has_no_such_factor_and_none_shows_its_code() {
    let old: FactorRecord = serde_json::from_str("{}").unwrap();
    assert!(old.email.is_none() && old.sms.is_none() && old.sent_at.is_none() && !old.is_required());
    assert_eq!(old.guard, FactorGuard::default());
    let world = World::new();
    let record = world.send(
        &world.waiting(&world.enrolled(FactorMethod::Sms), 5, "pwd"),
        5,
        FactorMethod::Sms,
        CODE,
        NOW,
    );
    let record = record.unwrap().0;
    let text = serde_json::to_string(&record).unwrap();
    assert!(!text.contains(CODE) && !format!("{record:?}").contains(CODE));
    let read: FactorRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}

#[test]
fn what_is_shown_of_a_place_says_hardly_more_than_its_kind() {
    for (contact, shown) in [
        ("ada@example.com", "a***@example.com"),
        ("ä@example.com", "ä***@example.com"),
        ("+4915112345678", "***78"),
        ("", "***"),
        ("7", "***7"),
    ] {
        assert_eq!(masked(contact), shown);
    }
}
