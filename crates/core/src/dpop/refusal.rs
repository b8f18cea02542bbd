//! Why a proof is refused.

/// Why a proof is refused, in check order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofRefusal {
    /// Too long, not three canonical parts of JSON, with critical extensions, or without a claim that it must have (RFC
    /// 9449 §4.2).
    Malformed,
    /// Another kind of token.
    TypeMismatch,
    /// No algorithm of ours, or one whose keys are shared secrets.
    AlgorithmNotAllowed,
    /// The key in it is none, is of another algorithm, or comes with its private part.
    KeyInvalid,
    /// It was not signed by the key in it.
    SignatureInvalid,
    /// It is of another key than the token.
    KeyMismatch,
    /// It was made for another method.
    MethodMismatch,
    /// It was made for another address.
    AddressMismatch,
    /// It was issued in the future, beyond what clocks may differ.
    IssuedInFuture,
    /// It was issued too long ago.
    Expired,
    /// It was made for another access token, or for none.
    TokenMismatch,
    /// It has no nonce of ours, or an old one (RFC 9449 §8).
    NonceRequired,
}

impl ProofRefusal {
    /// The stable public code; the npm package's checker says the same.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "dpop_proof_malformed",
            Self::TypeMismatch => "dpop_type_mismatch",
            Self::AlgorithmNotAllowed => "dpop_algorithm_not_allowed",
            Self::KeyInvalid => "dpop_key_invalid",
            Self::SignatureInvalid => "dpop_signature_invalid",
            Self::KeyMismatch => "dpop_key_mismatch",
            Self::MethodMismatch => "dpop_method_mismatch",
            Self::AddressMismatch => "dpop_address_mismatch",
            Self::IssuedInFuture => "dpop_proof_issued_in_future",
            Self::Expired => "dpop_proof_expired",
            Self::TokenMismatch => "dpop_token_mismatch",
            Self::NonceRequired => "dpop_nonce_required",
        }
    }
}
