//! The signature algorithms and their names, as a table. Another algorithm is another row and another kind of key.

/// A signature algorithm: a property of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// EdDSA over Ed25519 (RFC 8032, RFC 8037).
    Ed25519,
    /// HMAC with SHA-256 (RFC 7518 §3.2).
    HmacSha256,
}

impl Algorithm {
    /// Whether the verifier must know the key that signs. Such a key is never published.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        match self {
            Self::Ed25519 => false,
            Self::HmacSha256 => true,
        }
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal => $algorithm:ident,)*) => {
        /// A name by which a header or a JWK calls an algorithm (RFC 7515 §4.1.1). It stands for one algorithm.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum AlgorithmName {
            $($(#[$doc])* $name,)*
        }

        impl AlgorithmName {
            /// The name as JOSE writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The name of this text, compared exactly; `None` for an unknown one, `none` included.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The algorithm that the name stands for.
            #[must_use]
            pub const fn algorithm(self) -> Algorithm {
                match self {
                    $(Self::$name => Algorithm::$algorithm,)*
                }
            }
        }
    };
}

names! {
    /// `EdDSA`: any Edwards curve (RFC 8037). Deprecated by RFC 9864, understood everywhere.
    EdDsa = "EdDSA" => Ed25519,
    /// `Ed25519`: this curve alone (RFC 9864).
    Ed25519 = "Ed25519" => Ed25519,
    /// `HS256` (RFC 7518 §3.2).
    Hs256 = "HS256" => HmacSha256,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_algorithm() {
        for (text, algorithm) in
            [("EdDSA", Algorithm::Ed25519), ("Ed25519", Algorithm::Ed25519), ("HS256", Algorithm::HmacSha256)]
        {
            let name = AlgorithmName::from_text(text).unwrap();
            assert_eq!((name.as_str(), name.algorithm()), (text, algorithm));
        }
    }

    #[test]
    fn a_name_is_compared_exactly_and_none_is_no_name() {
        for bad in
            ["none", "None", "", "eddsa", "EDDSA", "ed25519", "hs256", "HS256 ", "HS384", "Ed448", "RS256"]
        {
            assert_eq!(AlgorithmName::from_text(bad), None, "{bad:?}");
        }
    }
}
