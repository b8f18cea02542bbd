//! The claims that Postern registers for itself; every other claim of a token is a custom one.

macro_rules! claims {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A registered claim.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Claim {
            $(#[doc = concat!("`", $text, "`:")] $(#[$doc])* $name,)*
        }

        impl Claim {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name of the claim in a token.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The claim of this name; `None` for a custom one.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

claims! {
    /// who issued the token (RFC 7519 §4.1.1). Text.
    Issuer = "iss",
    /// whom the token is about, an account (RFC 7519 §4.1.2). Text.
    Subject = "sub",
    /// for whom the token is meant (RFC 7519 §4.1.3). Text, or an array of texts.
    Audience = "aud",
    /// from when on the token is void (RFC 7519 §4.1.4). NumericDate.
    ExpiresAt = "exp",
    /// before when the token is void (RFC 7519 §4.1.5). NumericDate.
    NotBefore = "nbf",
    /// when the token was issued (RFC 7519 §4.1.6). NumericDate.
    IssuedAt = "iat",
    /// the token's own id (RFC 7519 §4.1.7). Text.
    TokenId = "jti",
    /// the client the token was issued to (RFC 8693 §4.3, RFC 9068 §2.2). Text.
    ClientId = "client_id",
    /// the session the token belongs to (OpenID Connect Front-Channel Logout §3). Text.
    SessionId = "sid",
    /// the tenant. Text.
    Tenant = "tid",
    /// the account version at the time of issue. Integer.
    AccountVersion = "av",
    /// the permission registry version that the mask needs. Integer.
    RegistryVersion = "pr",
    /// the permission mask in base64url. Text.
    PermissionMask = "pm",
    /// the names of the roles. An array of texts.
    Roles = "roles",
    /// the organization that the session acts in. Text.
    Organization = "org",
    /// the names of the entitlements. An array of texts.
    Entitlements = "ent",
    /// when the user last authenticated (OpenID Connect Core §2, RFC 9068 §2.2.1). NumericDate.
    AuthenticatedAt = "auth_time",
    /// the class of that authentication (OpenID Connect Core §2). Text.
    AuthenticationClass = "acr",
    /// the methods of that authentication (RFC 8176). An array of texts.
    AuthenticationMethods = "amr",
    /// the key the token is bound to (RFC 7800). An object.
    Confirmation = "cnf",
}

/// A set of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClaimSet(u32);

impl ClaimSet {
    pub(super) const fn none() -> Self {
        Self(0)
    }

    pub(super) const fn insert(&mut self, claim: Claim) {
        self.0 |= bit(claim);
    }

    pub(super) const fn remove(&mut self, claim: Claim) {
        self.0 &= !bit(claim);
    }

    pub(super) const fn contains(self, claim: Claim) -> bool {
        self.0 & bit(claim) != 0
    }

    /// The first claim, in the order of [`Claim::ALL`], of this set that the other one lacks.
    pub(super) fn first_not_in(self, other: Self) -> Option<Claim> {
        Claim::ALL.iter().copied().find(|claim| self.contains(*claim) && !other.contains(*claim))
    }
}

const fn bit(claim: Claim) -> u32 {
    1u32.wrapping_shl(claim as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_has_one_name_and_one_bit() {
        let mut seen = ClaimSet::none();
        assert!(Claim::ALL.len() <= 32);
        for claim in Claim::ALL {
            assert_eq!(Claim::from_name(claim.name()), Some(*claim));
            assert!(!seen.contains(*claim));
            seen.insert(*claim);
            assert!(seen.contains(*claim));
        }
        assert_eq!(Claim::from_name("ISS"), None);
        assert_eq!(Claim::from_name("email"), None);
    }
}
