//! The signature algorithms and their names, as a table. Another algorithm is another row and another kind of key.

/// A signature algorithm: a property of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// EdDSA over Ed25519 (RFC 8032, RFC 8037).
    Ed25519,
    /// HMAC with SHA-256 (RFC 7518 §3.2).
    HmacSha256,
    /// HMAC with SHA-384 (RFC 7518 §3.2).
    HmacSha384,
    /// HMAC with SHA-512 (RFC 7518 §3.2).
    HmacSha512,
    /// ECDSA over P-256 with SHA-256 (RFC 7518 §3.4).
    EcdsaP256,
    /// ECDSA over P-384 with SHA-384 (RFC 7518 §3.4).
    EcdsaP384,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384 (RFC 7518 §3.3).
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 7518 §3.3).
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes (RFC 7518 §3.5).
    RsaPssSha256,
}

impl Algorithm {
    /// Whether the verifier must know the key that signs. Such a key is never published.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HmacSha256 | Self::HmacSha384 | Self::HmacSha512)
    }

    /// Whether its keys are RSA keys.
    #[must_use]
    pub const fn is_rsa(self) -> bool {
        matches!(
            self,
            Self::RsaPkcs1Sha256 | Self::RsaPkcs1Sha384 | Self::RsaPkcs1Sha512 | Self::RsaPssSha256
        )
    }

    /// Whether this build can check its signatures: always, but for ECDSA without the feature `ecdsa` and RSA
    /// without the feature `rsa`. Those are left to a host ([`Candidate`](super::Candidate)).
    #[must_use]
    pub const fn is_built_in(self) -> bool {
        match self {
            Self::Ed25519 | Self::HmacSha256 | Self::HmacSha384 | Self::HmacSha512 => true,
            Self::EcdsaP256 | Self::EcdsaP384 => cfg!(feature = "ecdsa"),
            Self::RsaPkcs1Sha256 | Self::RsaPkcs1Sha384 | Self::RsaPkcs1Sha512 | Self::RsaPssSha256 => {
                cfg!(feature = "rsa")
            }
        }
    }

    /// The name that a key has unless another is given: the one that verifiers know best.
    #[must_use]
    pub const fn default_name(self) -> AlgorithmName {
        match self {
            Self::Ed25519 => AlgorithmName::EdDsa,
            Self::HmacSha256 => AlgorithmName::Hs256,
            Self::HmacSha384 => AlgorithmName::Hs384,
            Self::HmacSha512 => AlgorithmName::Hs512,
            Self::EcdsaP256 => AlgorithmName::Es256,
            Self::EcdsaP384 => AlgorithmName::Es384,
            Self::RsaPkcs1Sha256 => AlgorithmName::Rs256,
            Self::RsaPkcs1Sha384 => AlgorithmName::Rs384,
            Self::RsaPkcs1Sha512 => AlgorithmName::Rs512,
            Self::RsaPssSha256 => AlgorithmName::Ps256,
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
    /// `HS384` (RFC 7518 §3.2).
    Hs384 = "HS384" => HmacSha384,
    /// `HS512` (RFC 7518 §3.2).
    Hs512 = "HS512" => HmacSha512,
    /// `ES256` (RFC 7518 §3.4).
    Es256 = "ES256" => EcdsaP256,
    /// `ES384` (RFC 7518 §3.4).
    Es384 = "ES384" => EcdsaP384,
    /// `RS256` (RFC 7518 §3.3).
    Rs256 = "RS256" => RsaPkcs1Sha256,
    /// `RS384` (RFC 7518 §3.3).
    Rs384 = "RS384" => RsaPkcs1Sha384,
    /// `RS512` (RFC 7518 §3.3).
    Rs512 = "RS512" => RsaPkcs1Sha512,
    /// `PS256` (RFC 7518 §3.5).
    Ps256 = "PS256" => RsaPssSha256,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_algorithm() {
        for (text, algorithm) in [
            ("EdDSA", Algorithm::Ed25519),
            ("Ed25519", Algorithm::Ed25519),
            ("HS256", Algorithm::HmacSha256),
            ("HS384", Algorithm::HmacSha384),
            ("HS512", Algorithm::HmacSha512),
            ("ES256", Algorithm::EcdsaP256),
            ("ES384", Algorithm::EcdsaP384),
            ("RS256", Algorithm::RsaPkcs1Sha256),
            ("RS384", Algorithm::RsaPkcs1Sha384),
            ("RS512", Algorithm::RsaPkcs1Sha512),
            ("PS256", Algorithm::RsaPssSha256),
        ] {
            assert_eq!(algorithm.default_name().algorithm(), algorithm);
            let name = AlgorithmName::from_text(text).unwrap();
            assert_eq!((name.as_str(), name.algorithm()), (text, algorithm));
        }
    }

    #[test]
    fn a_name_is_compared_exactly_and_none_is_no_name() {
        for bad in [
            "none", "None", "", "eddsa", "EDDSA", "ed25519", "hs256", "HS256 ", "Ed448", "es256", "ES256K",
            "ES512", "RS1", "RSA", "RSA-OAEP", "PS384", "PS512", "dir",
        ] {
            assert_eq!(AlgorithmName::from_text(bad), None, "{bad:?}");
        }
    }
}
