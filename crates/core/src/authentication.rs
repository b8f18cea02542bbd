//! How strong and how recent an authentication was, and what may be demanded of it: step-up authentication (RFC 9470).

use crate::time::{Seconds, UnixSeconds};
use alloc::string::String;

/// The method by which `amr` says that there was more than one factor (RFC 8176 §2).
pub const MULTI_FACTOR: &str = "mfa";

/// What an authentication counts as: the claim `acr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthenticationClass {
    /// One factor.
    SingleFactor,
    /// More than one.
    MultiFactor,
}

impl AuthenticationClass {
    /// The class of an authentication by these methods.
    #[must_use]
    pub fn of(methods: &[String]) -> Self {
        if methods.iter().any(|method| method == MULTI_FACTOR) {
            Self::MultiFactor
        } else {
            Self::SingleFactor
        }
    }

    /// The value of the claim.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SingleFactor => "urn:postern:acr:1",
            Self::MultiFactor => "urn:postern:acr:2",
        }
    }

    /// The class of this value.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SingleFactor, Self::MultiFactor].into_iter().find(|class| class.as_str() == name)
    }
}

/// What an authentication has to be. Nothing is demanded by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationDemand {
    /// It happened at most so long ago.
    pub max_age: Option<Seconds>,
    /// It was at least of this class.
    pub class: Option<AuthenticationClass>,
}

impl AuthenticationDemand {
    /// Whether an authentication by these methods at this time meets it. One whose time is unknown is not recent.
    #[must_use]
    pub fn is_met(&self, methods: &[String], at: Option<UnixSeconds>, now: UnixSeconds) -> bool {
        let is_recent = |age: Seconds| at.is_some_and(|at| now <= at.plus(age));
        self.max_age.is_none_or(is_recent)
            && self.class.is_none_or(|class| AuthenticationClass::of(methods) >= class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AuthenticationClass::{MultiFactor, SingleFactor};
    use alloc::vec::Vec;

    fn methods(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(String::from).collect()
    }

    #[test]
    fn only_the_word_itself_makes_more_than_one_factor() {
        for names in [&["pwd", "otp", "mfa"][..], &["mfa"], &["pop", "user", "mfa"]] {
            assert_eq!(AuthenticationClass::of(&methods(names)), MultiFactor, "{names:?}");
        }
        for names in [&[][..], &["pwd"], &["pwd", "otp"], &["MFA"], &["mfa "], &["pop", "user"]] {
            assert_eq!(AuthenticationClass::of(&methods(names)), SingleFactor, "{names:?}");
        }
    }

    #[test]
    fn names_are_exact() {
        for class in [SingleFactor, MultiFactor] {
            assert_eq!(AuthenticationClass::from_name(class.as_str()), Some(class));
        }
        for name in ["", "2", "mfa", "urn:postern:acr:3", "URN:postern:acr:2", "urn:postern:acr:2 "] {
            assert_eq!(AuthenticationClass::from_name(name), None, "{name}");
        }
    }

    /// Every demand against every authentication, by the words of the documentation.
    #[test]
    fn a_demand_is_met_by_what_is_as_recent_and_as_strong() {
        let now = UnixSeconds::new(10_000);
        for max_age in [None, Some(0), Some(599), Some(600)] {
            for class in [None, Some(SingleFactor), Some(MultiFactor)] {
                let demand = AuthenticationDemand { max_age: max_age.map(Seconds::new), class };
                for ago in [None, Some(0), Some(599), Some(600), Some(601), Some(10_000)] {
                    for names in [&["pwd"][..], &["pwd", "otp", "mfa"]] {
                        let at = ago.map(|ago| UnixSeconds::new(10_000 - ago));
                        let recent = max_age.is_none_or(|most| ago.is_some_and(|ago| ago <= u64::from(most)));
                        let strong = class != Some(MultiFactor) || names.contains(&"mfa");
                        assert_eq!(
                            demand.is_met(&methods(names), at, now),
                            recent && strong,
                            "{demand:?} {ago:?}"
                        );
                    }
                }
            }
        }
    }
}
