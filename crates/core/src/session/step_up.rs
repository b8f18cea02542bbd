//! Proving to be there once more, within a session: its next access tokens say so, in `auth_time`, `amr` and `acr`
//! (RFC 9470).

use super::notice::{Notice, SessionAudit};
use super::record::{SessionRecord, SessionState};
use crate::account::{AccountRecord, ObjectClock};
use crate::authentication::MULTI_FACTOR;
use crate::id::TenantId;
use crate::time::UnixMillis;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// What the holder of a session has just shown.
#[derive(Clone, Copy, Debug)]
pub struct ShownAgain<'a> {
    /// The tenant of the session's token.
    pub tenant: &'a TenantId,
    /// The version of the credential whose password was right, if one came.
    pub password: Option<u32>,
    /// What a factor that was right says in `amr`, if one came.
    pub factor: Option<&'a [&'a str]>,
    /// Whether the account has a second factor.
    pub is_guarded: bool,
}

/// What it came to.
#[must_use]
#[allow(clippy::large_enum_variant, reason = "an outcome lives for one commit; a box would only allocate")]
#[derive(Clone, Debug)]
pub enum StepUpOutcome {
    /// The session has been authenticated again. Store all of this in one transaction.
    Renewed {
        /// The record.
        session: SessionRecord,
        /// The account's clock.
        clock: ObjectClock,
        /// What the outbox must carry.
        notices: Vec<Notice>,
    },
    /// It has not; nothing to store.
    Refused(StepUpRefusal),
}

/// Why a session is not authenticated again, in check order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepUpRefusal {
    /// The account is another tenant's or may not be used, or the session is not there or has ended.
    SessionEnded,
    /// The password has changed since it was compared.
    CredentialStale,
    /// The account has a second factor, and none was shown: an old one must not pass for a new one.
    FactorMissing,
    /// Nothing was shown.
    NothingShown,
}

/// Decides whether a session has been authenticated again: `session` is what is stored under the id in its token.
///
/// A second factor stands with the first that opened the session. Without one, what was shown is all that is said, so
/// that a session never keeps a claim to a factor that has gone from the account.
pub fn step_up(
    account: &AccountRecord,
    session: Option<&SessionRecord>,
    shown: &ShownAgain<'_>,
    now: UnixMillis,
) -> StepUpOutcome {
    let at = account.clock.read(now);
    let is_usable = account.tenant == *shown.tenant && account.status_at(at).is_active();
    let live = session.filter(|session| {
        is_usable && session.tenant == *shown.tenant && session.state(at) == SessionState::Live
    });
    let Some(session) = live else { return StepUpOutcome::Refused(StepUpRefusal::SessionEnded) };
    if shown.password.is_some_and(|version| version < account.credential_version) {
        return StepUpOutcome::Refused(StepUpRefusal::CredentialStale);
    }
    let amr = match (shown.factor, shown.password) {
        (None, _) if shown.is_guarded => return StepUpOutcome::Refused(StepUpRefusal::FactorMissing),
        (None, None) => return StepUpOutcome::Refused(StepUpRefusal::NothingShown),
        (None, Some(_)) => vec!["pwd".into()],
        (Some(factor), password) => with_factor(&session.amr, factor, password.is_some()),
    };
    let event = SessionAudit::SessionReauthenticated;
    StepUpOutcome::Renewed {
        session: SessionRecord { amr, auth_time: at.to_seconds(), ..session.clone() },
        clock: ObjectClock::new(at),
        notices: vec![Notice::Audit { event, session: Some(session.id), at }],
    }
}

/// The methods of before, with those of a factor, and that it was more than one.
fn with_factor(before: &[String], factor: &[&str], has_password: bool) -> Vec<String> {
    let mut amr: Vec<String> = before.iter().filter(|method| *method != MULTI_FACTOR).cloned().collect();
    let password = has_password.then_some("pwd");
    for method in password.into_iter().chain(factor.iter().copied()).chain([MULTI_FACTOR]) {
        if !amr.iter().any(|other| other == method) {
            amr.push(method.into());
        }
    }
    amr
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountStatus;
    use crate::session::record::RevokeReason;
    use crate::session::record::tests::{account, session};

    const NOW: UnixMillis = UnixMillis::new(2_000_000);
    const OTP: &[&str] = &["otp"];

    fn shown<'a>(
        tenant: &'a TenantId,
        password: Option<u32>,
        factor: Option<&'a [&'a str]>,
    ) -> ShownAgain<'a> {
        ShownAgain { tenant, password, factor, is_guarded: false }
    }

    fn refusal(outcome: StepUpOutcome) -> StepUpRefusal {
        match outcome {
            StepUpOutcome::Refused(refusal) => refusal,
            StepUpOutcome::Renewed { .. } => panic!("renewed"),
        }
    }

    fn renewed(outcome: StepUpOutcome) -> SessionRecord {
        match outcome {
            StepUpOutcome::Renewed { session, .. } => session,
            StepUpOutcome::Refused(refusal) => panic!("{refusal:?}"),
        }
    }

    #[test]
    fn only_a_live_session_of_an_active_account_is_renewed() {
        let (mine, theirs) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let right = shown(&mine, Some(1), Some(OTP));
        let (ours, here) = (account(), session());
        let ended = |account: &AccountRecord, session: Option<&SessionRecord>, shown: &ShownAgain<'_>, at| {
            assert_eq!(refusal(step_up(account, session, shown, at)), StepUpRefusal::SessionEnded);
        };
        ended(&ours, None, &right, NOW);
        ended(&ours, Some(&here), &shown(&theirs, Some(1), Some(OTP)), NOW);
        ended(&ours, Some(&SessionRecord { tenant: theirs.clone(), ..here.clone() }), &right, NOW);
        ended(&ours, Some(&here.clone().revoked(NOW, RevokeReason::Logout)), &right, NOW);
        ended(&ours, Some(&here), &right, here.idle_expires_at);
        let banned = AccountRecord { status: AccountStatus::Banned, ..ours.clone() };
        ended(&banned, Some(&here), &right, NOW);
        assert_eq!(renewed(step_up(&ours, Some(&here), &right, NOW)).auth_time, NOW.to_seconds());
    }

    #[test]
    fn an_old_password_renews_nothing() {
        let tenant = "acme".parse().unwrap();
        let ours = AccountRecord { credential_version: 5, ..account() };
        for factor in [None, Some(OTP)] {
            let stale = step_up(&ours, Some(&session()), &shown(&tenant, Some(4), factor), NOW);
            assert_eq!(refusal(stale), StepUpRefusal::CredentialStale);
        }
        let _ = renewed(step_up(&ours, Some(&session()), &shown(&tenant, Some(5), None), NOW));
    }

    /// All that can be shown, with every session that it can be shown in.
    #[test]
    fn what_is_said_afterwards_was_shown() {
        let tenant = "acme".parse().unwrap();
        let befores: [&[&str]; 4] = [&["pwd"], &["otp"], &["pwd", "otp", "mfa"], &["pop", "user", "mfa"]];
        for before in befores {
            let amr = before.iter().copied().map(String::from).collect();
            let here = SessionRecord { amr, ..session() };
            for is_guarded in [false, true] {
                for password in [None, Some(1)] {
                    for factor in [None, Some(OTP), Some(&["pop", "user"][..])] {
                        let shown = ShownAgain { is_guarded, ..shown(&tenant, password, factor) };
                        let outcome = step_up(&account(), Some(&here), &shown, NOW);
                        match (factor, password) {
                            (None, _) if is_guarded => {
                                assert_eq!(refusal(outcome), StepUpRefusal::FactorMissing);
                            }
                            (None, None) => assert_eq!(refusal(outcome), StepUpRefusal::NothingShown),
                            (None, Some(_)) => assert_eq!(renewed(outcome).amr, ["pwd"]),
                            (Some(factor), _) => {
                                let amr = renewed(outcome).amr;
                                let has = |method: &str| amr.iter().filter(|other| *other == method).count();
                                assert!(amr.iter().all(|method| has(method) == 1), "{amr:?}");
                                assert_eq!(amr.last().map(String::as_str), Some("mfa"));
                                assert!(factor.iter().all(|method| has(method) == 1), "{amr:?}");
                                assert!(password.is_none() || has("pwd") == 1, "{amr:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}
