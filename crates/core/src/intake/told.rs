//! What whoever reads an address or number is told when somebody asked for a code to it.
//!
//! Decided by the consumer of the message, where no request can measure it: whoever asks is answered alike.

use super::CodePurpose;

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The code.
    Code,
    /// That somebody tried to sign up here, where an account is already.
    HasAccount,
    /// That somebody wants this for another account.
    Taken,
    /// Nothing: nobody here has asked, or could do anything with the code.
    Nothing,
}

/// Whose an address or number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactOwner {
    /// No account, in no tenant that matters.
    Nobody,
    /// An account that has not proven it.
    Unproven,
    /// An account that has.
    Proven,
    /// An account of another tenant, in a deployment where it can be no second one's.
    Elsewhere,
}

/// Decides it. `creates_accounts` is whether a login creates an account where there is none.
#[must_use]
pub const fn told(purpose: CodePurpose, owner: ContactOwner, creates_accounts: bool) -> Told {
    use ContactOwner::{Elsewhere, Nobody, Proven, Unproven};
    match (purpose, owner) {
        // Where it goes has been proven, and may be no account's any more.
        (CodePurpose::SecondFactor, _) => Told::Code,
        (CodePurpose::SignUp, Unproven | Proven) => Told::HasAccount,
        (CodePurpose::ChangeIdentifier, Unproven | Proven) => Told::Taken,
        (CodePurpose::SignUp | CodePurpose::ChangeIdentifier, Elsewhere) => Told::Taken,
        (CodePurpose::SignUp | CodePurpose::ChangeIdentifier, Nobody) => Told::Code,
        (CodePurpose::Login, Nobody) if creates_accounts => Told::Code,
        (CodePurpose::Login, Elsewhere) if creates_accounts => Told::Taken,
        (CodePurpose::VerifyIdentifier, Proven) | (_, Nobody | Elsewhere) => Told::Nothing,
        (_, Unproven | Proven) => Told::Code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_to_whom_they_are_for_and_notices_to_owners() {
        use ContactOwner::{Elsewhere, Nobody, Proven, Unproven};
        let rows = [
            (CodePurpose::SignUp, [Told::Code, Told::HasAccount, Told::HasAccount, Told::Taken]),
            (CodePurpose::ChangeIdentifier, [Told::Code, Told::Taken, Told::Taken, Told::Taken]),
            (CodePurpose::VerifyIdentifier, [Told::Nothing, Told::Code, Told::Nothing, Told::Nothing]),
            (CodePurpose::ResetPassword, [Told::Nothing, Told::Code, Told::Code, Told::Nothing]),
            (CodePurpose::Login, [Told::Nothing, Told::Code, Told::Code, Told::Nothing]),
            (CodePurpose::LoginLink, [Told::Nothing, Told::Code, Told::Code, Told::Nothing]),
            (CodePurpose::SecondFactor, [Told::Code; 4]),
        ];
        for (purpose, expected) in rows {
            assert_eq!(
                [Nobody, Unproven, Proven, Elsewhere].map(|owner| told(purpose, owner, false)),
                expected,
                "{purpose:?}"
            );
        }
    }

    #[test]
    fn only_a_login_creates_an_account_where_there_is_none() {
        for purpose in [CodePurpose::ResetPassword, CodePurpose::VerifyIdentifier, CodePurpose::LoginLink] {
            for nobody_here in [ContactOwner::Nobody, ContactOwner::Elsewhere] {
                assert_eq!(told(purpose, nobody_here, true), Told::Nothing, "{purpose:?}");
            }
        }
        assert_eq!(told(CodePurpose::Login, ContactOwner::Nobody, true), Told::Code);
        assert_eq!(told(CodePurpose::Login, ContactOwner::Elsewhere, true), Told::Taken);
    }
}
