//! What a session does when a request comes from another device than it was opened from.

use super::device::DeviceHint;
use super::fingerprint::DeviceFingerprint;
use super::notice::{Notice, SessionAudit};
use super::stored;
use crate::id::SessionId;
use crate::secret::Secret;
use crate::time::{Seconds, UnixMillis};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What is compared of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceTrait {
    /// The network that it is in.
    Network,
    /// Its user agent.
    UserAgent,
}

impl DeviceTrait {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::UserAgent => "user_agent",
        }
    }
}

/// What becomes of a request whose device differs in one trait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindingRule {
    /// It is refused, and so is one that does not say, and one to a session that did not record it.
    pub enforce: bool,
    /// It is noticed.
    pub detect: bool,
}

/// Which traits of a device bind a session. By default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceBinding {
    /// The network. Enforced, it signs out every phone that leaves its network.
    pub network: BindingRule,
    /// The user agent. Enforced, it signs out every browser that is updated.
    pub user_agent: BindingRule,
}

/// How one trait of a request compares with the session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceFinding {
    /// It is the same, or nobody asks.
    Fine,
    /// It is another, and only noticed.
    Anomaly,
    /// It is not certainly the same, and must be.
    Rejected,
}

/// How a request's device compares with that of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceVerdict {
    /// By its network.
    pub network: DeviceFinding,
    /// By its user agent.
    pub user_agent: DeviceFinding,
}

impl DeviceBinding {
    /// Compares a request's device with the one that its session was opened from.
    ///
    /// `presented` is `None` when whoever asks speaks for somebody else and did not say for whom: then nothing is
    /// noticed, and what must be the same is missing. A session of before fingerprints were stored has recorded
    /// nothing.
    #[must_use]
    pub fn judge(self, recorded: &DeviceFingerprint, presented: Option<&DeviceFingerprint>) -> DeviceVerdict {
        let network = presented.map(DeviceFingerprint::network);
        let user_agent = presented.map(DeviceFingerprint::user_agent);
        DeviceVerdict {
            network: finding(self.network, recorded.network(), network),
            user_agent: finding(self.user_agent, recorded.user_agent(), user_agent),
        }
    }

    /// Whether a session can be opened from this device: every trait that must stay the same is there.
    #[must_use]
    pub const fn can_bind(self, device: &DeviceFingerprint) -> bool {
        (!self.network.enforce || device.network().is_some())
            && (!self.user_agent.enforce || device.user_agent().is_some())
    }

    /// The same, before anything is digested: to refuse a request before anything is used up for it.
    #[must_use]
    pub fn can_bind_hint(self, device: &DeviceHint) -> bool {
        (!self.network.enforce || device.address().is_some())
            && (!self.user_agent.enforce || device.user_agent.is_some())
    }
}

fn finding<const N: usize>(
    rule: BindingRule,
    recorded: Option<&Secret<N>>,
    presented: Option<Option<&Secret<N>>>,
) -> DeviceFinding {
    let same = matches!((recorded, presented), (Some(one), Some(Some(other))) if one.ct_eq(other));
    if rule.enforce && !same {
        DeviceFinding::Rejected
    } else if rule.detect && !same && recorded.is_some() && presented.is_some() {
        DeviceFinding::Anomaly
    } else {
        DeviceFinding::Fine
    }
}

impl DeviceVerdict {
    /// Nothing was asked, or all is the same.
    pub const FINE: Self = Self { network: DeviceFinding::Fine, user_agent: DeviceFinding::Fine };

    /// Whether the request is to be refused.
    #[must_use]
    pub const fn is_rejected(self) -> bool {
        matches!(self.network, DeviceFinding::Rejected) || matches!(self.user_agent, DeviceFinding::Rejected)
    }

    /// What the outbox must carry: one notice for each trait that is not fine.
    #[must_use]
    pub fn notices(self, session: SessionId, at: UnixMillis) -> Vec<Notice> {
        [(DeviceTrait::Network, self.network), (DeviceTrait::UserAgent, self.user_agent)]
            .into_iter()
            .filter_map(|(differs, finding)| match finding {
                DeviceFinding::Fine => None,
                DeviceFinding::Anomaly => Some(Notice::DeviceAnomaly { session, differs, at }),
                DeviceFinding::Rejected => Some(Notice::DeviceRejected { session, differs, at }),
            })
            .collect()
    }
}

/// What was lately told of requests that change nothing, so that whoever asks a thousand times is told of once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceWatch {
    #[serde(default)]
    told: Vec<Told>,
    /// Beside what is told of devices, so that a version that does not know it reads the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refreshes: Vec<ToldRefresh>,
}

/// One notice about a device, as the watch remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    session: SessionId,
    differs: DeviceTrait,
    rejected: bool,
    #[serde(with = "stored::millis")]
    at: UnixMillis,
}

/// One notice about a refresh that changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ToldRefresh {
    session: Option<SessionId>,
    event: SessionAudit,
    #[serde(with = "stored::millis")]
    at: UnixMillis,
}

/// What the watch remembers of a notice.
trait Remembered: Copy + PartialEq {
    fn at(self) -> UnixMillis;
    fn moved_to(self, at: UnixMillis) -> Self;
}

impl Remembered for Told {
    fn at(self) -> UnixMillis {
        self.at
    }

    fn moved_to(self, at: UnixMillis) -> Self {
        Self { at, ..self }
    }
}

impl Remembered for ToldRefresh {
    fn at(self) -> UnixMillis {
        self.at
    }

    fn moved_to(self, at: UnixMillis) -> Self {
        Self { at, ..self }
    }
}

/// Whether it is told: then it is remembered.
fn is_news<T: Remembered>(remembered: &mut Vec<T>, told: T) -> bool {
    remembered.retain(|before| told.at() < before.at().plus(DeviceWatch::QUIET));
    let is_covered = remembered.iter().any(|before| before.moved_to(told.at()) == told);
    let is_news = remembered.len() < DeviceWatch::MOST && !is_covered;
    if is_news {
        remembered.push(told);
    }
    is_news
}

impl DeviceWatch {
    /// How long the same is not told again: of one session, one trait, and refused or not; or of one session, one event.
    pub const QUIET: Seconds = Seconds::new(60);
    /// How much is told of one account in that time at most, of devices and of refreshes. What is more is not told.
    pub const MOST: usize = 32;

    /// Whether a notice is of a kind that is told once.
    #[must_use]
    pub const fn watches(notice: &Notice) -> bool {
        matches!(
            notice,
            Notice::DeviceAnomaly { .. }
                | Notice::DeviceRejected { .. }
                | Notice::Audit {
                    event: SessionAudit::RefreshKeyProofFailed
                        | SessionAudit::RefreshRetriedElsewhere
                        | SessionAudit::RefreshRetriedWithKey,
                    ..
                }
        )
    }

    /// The notices that are to be told, and the watch to be stored with them if it changes. Notices of other kinds
    /// pass.
    #[must_use]
    pub fn once(mut self, mut notices: Vec<Notice>) -> (Vec<Notice>, Option<Self>) {
        let mut changed = false;
        notices.retain(|notice| {
            if !Self::watches(notice) {
                return true;
            }
            let is_news = self.remember(notice);
            changed |= is_news;
            is_news
        });
        (notices, changed.then_some(self))
    }

    fn remember(&mut self, notice: &Notice) -> bool {
        match *notice {
            Notice::DeviceAnomaly { session, differs, at } => {
                is_news(&mut self.told, Told { session, differs, rejected: false, at })
            }
            Notice::DeviceRejected { session, differs, at } => {
                is_news(&mut self.told, Told { session, differs, rejected: true, at })
            }
            Notice::Audit { event, session, at } => {
                is_news(&mut self.refreshes, ToldRefresh { session, event, at })
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeviceFinding::{Anomaly, Fine, Rejected};
    use std::vec;

    /// What one request says of one trait, and what the session has recorded.
    type Compared = (&'static str, Option<u8>, Option<Option<u8>>);

    const COMPARED: [Compared; 7] = [
        ("same", Some(1), Some(Some(1))),
        ("differs", Some(1), Some(Some(2))),
        ("not sent", Some(1), Some(None)),
        ("not recorded", None, Some(Some(1))),
        ("neither", None, Some(None)),
        ("not said", Some(1), None),
        ("nothing at all", None, None),
    ];

    /// Every rule, and what comes of each of [`COMPARED`] under it.
    const TABLE: [(BindingRule, [DeviceFinding; 7]); 4] = [
        (BindingRule { enforce: false, detect: false }, [Fine; 7]),
        (BindingRule { enforce: false, detect: true }, [Fine, Anomaly, Anomaly, Fine, Fine, Fine, Fine]),
        (
            BindingRule { enforce: true, detect: false },
            [Fine, Rejected, Rejected, Rejected, Rejected, Rejected, Rejected],
        ),
        (
            BindingRule { enforce: true, detect: true },
            [Fine, Rejected, Rejected, Rejected, Rejected, Rejected, Rejected],
        ),
    ];

    #[test]
    fn every_rule_meets_every_device() {
        let quiet = BindingRule::default();
        for (rule, findings) in TABLE {
            for ((name, recorded, presented), expected) in COMPARED.into_iter().zip(findings) {
                let name = (name, rule);
                // The other trait differs, and nobody asks for it.
                let of_network = |network| DeviceFingerprint::of_bytes(network, Some(9));
                let verdict = DeviceBinding { network: rule, user_agent: quiet }.judge(
                    &DeviceFingerprint::of_bytes(recorded, Some(8)),
                    presented.map(of_network).as_ref(),
                );
                assert_eq!((verdict.network, verdict.user_agent), (expected, Fine), "{name:?}");
                let of_agent = |agent| DeviceFingerprint::of_bytes(Some(9), agent);
                let verdict = DeviceBinding { network: quiet, user_agent: rule }
                    .judge(&DeviceFingerprint::of_bytes(Some(8), recorded), presented.map(of_agent).as_ref());
                assert_eq!((verdict.network, verdict.user_agent), (Fine, expected), "{name:?}");
                assert_eq!(verdict.is_rejected(), expected == Rejected, "{name:?}");
            }
        }
    }

    #[test]
    fn a_session_is_opened_only_with_all_that_binds_it() {
        for (enforce_network, enforce_agent) in [(false, false), (false, true), (true, false), (true, true)] {
            let rule = |enforce| BindingRule { enforce, detect: true };
            let binding = DeviceBinding { network: rule(enforce_network), user_agent: rule(enforce_agent) };
            for (network, agent) in [(None, None), (None, Some(1)), (Some(1), None), (Some(1), Some(1))] {
                let expected = (network.is_some() || !enforce_network) && (agent.is_some() || !enforce_agent);
                let device = DeviceFingerprint::of_bytes(network, agent);
                assert_eq!(binding.can_bind(&device), expected, "{binding:?} {network:?} {agent:?}");
                let hint = DeviceHint::new(agent.map(|_| "Firefox"), network.map(|_| "192.0.2.1"));
                assert_eq!(binding.can_bind_hint(&hint), expected, "{binding:?} {hint:?}");
            }
        }
    }

    #[test]
    fn each_trait_that_differs_is_told_by_what_came_of_it() {
        let (session, at) = (SessionId::from_bytes([2; 16]), UnixMillis::new(5));
        assert_eq!(DeviceVerdict::FINE.notices(session, at), vec![]);
        let both = DeviceVerdict { network: Anomaly, user_agent: Rejected };
        let told = vec![
            Notice::DeviceAnomaly { session, differs: DeviceTrait::Network, at },
            Notice::DeviceRejected { session, differs: DeviceTrait::UserAgent, at },
        ];
        assert_eq!(both.notices(session, at), told);
    }

    #[test]
    fn the_same_is_told_once_a_minute() {
        let session = SessionId::from_bytes([2; 16]);
        let told = |watch: &DeviceWatch, notice: Notice| {
            let (news, changed) = watch.clone().once(vec![notice]);
            (news.len(), changed)
        };
        let anomaly =
            |session, differs, at| Notice::DeviceAnomaly { session, differs, at: UnixMillis::new(at) };
        let network = DeviceTrait::Network;
        let (count, watch) = told(&DeviceWatch::default(), anomaly(session, network, 1_000));
        let watch = watch.unwrap();
        assert_eq!(count, 1);
        for at in [999, 1_000, 1_001, 60_999] {
            assert_eq!(told(&watch, anomaly(session, network, at)), (0, None), "{at}");
        }
        assert_eq!(told(&watch, anomaly(session, network, 61_000)).0, 1);
        for other in [
            anomaly(SessionId::from_bytes([3; 16]), network, 1_001),
            anomaly(session, DeviceTrait::UserAgent, 1_001),
            Notice::DeviceRejected { session, differs: network, at: UnixMillis::new(1_001) },
        ] {
            assert_eq!(told(&watch, other).0, 1);
        }
    }

    #[test]
    fn a_refresh_that_changes_nothing_is_told_once_a_minute() {
        let of = |event, session: u8, at| Notice::Audit {
            event,
            session: Some(SessionId::from_bytes([session; 16])),
            at: UnixMillis::new(at),
        };
        let failed = SessionAudit::RefreshKeyProofFailed;
        let told = |watch: &DeviceWatch, notice| watch.clone().once(vec![notice]);
        let (news, watch) = told(&DeviceWatch::default(), of(failed, 2, 1_000));
        let watch = watch.unwrap();
        assert_eq!(news.len(), 1);
        for at in [999, 1_000, 60_999] {
            assert_eq!(told(&watch, of(failed, 2, at)), (vec![], None), "{at}");
        }
        for other in [
            of(failed, 2, 61_000),
            of(failed, 3, 1_001),
            of(SessionAudit::RefreshRetriedWithKey, 2, 1_001),
            of(SessionAudit::RefreshRetriedElsewhere, 2, 1_001),
        ] {
            assert_eq!(told(&watch, other).0.len(), 1);
        }
        // What ends a session is told each time.
        let ends = of(SessionAudit::RefreshReuseDetected, 2, 1_000);
        assert_eq!(told(&watch, ends.clone()), (vec![ends], None));
        let text = serde_json::to_string(&watch).unwrap();
        assert_eq!(serde_json::from_str::<DeviceWatch>(&text).unwrap(), watch);
    }

    #[test]
    fn no_flood_is_told_whole_and_other_news_pass() {
        let notices = (0..=255).map(|id| Notice::DeviceRejected {
            session: SessionId::from_bytes([id; 16]),
            differs: DeviceTrait::Network,
            at: UnixMillis::new(u64::from(id)),
        });
        let (news, watch) = DeviceWatch::default().once(notices.collect());
        assert_eq!((news.len(), watch.unwrap().told.len()), (DeviceWatch::MOST, DeviceWatch::MOST));
        let opened =
            Notice::Audit { event: SessionAudit::SessionOpened, session: None, at: UnixMillis::new(1) };
        assert_eq!(DeviceWatch::default().once(vec![opened.clone()]), (vec![opened], None));
    }

    #[test]
    fn a_watch_survives_storage() {
        let session = SessionId::from_bytes([2; 16]);
        let at = UnixMillis::new(1_000);
        let verdict = DeviceVerdict { network: Anomaly, user_agent: Rejected };
        let (_, watch) = DeviceWatch::default().once(verdict.notices(session, at));
        let watch = watch.unwrap();
        let text = serde_json::to_string(&watch).unwrap();
        assert_eq!(serde_json::from_str::<DeviceWatch>(&text).unwrap(), watch);
    }
}
