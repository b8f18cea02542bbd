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

/// Decides it. `owner` is the account that has the address or number, if there is one, and whether it is proven;
/// `creates_accounts` whether a login creates an account where there is none.
#[must_use]
pub const fn told(purpose: CodePurpose, owner: Option<bool>, creates_accounts: bool) -> Told {
    match (purpose, owner) {
        (CodePurpose::SignUp, Some(_)) => Told::HasAccount,
        (CodePurpose::ChangeIdentifier, Some(_)) => Told::Taken,
        (CodePurpose::SignUp | CodePurpose::ChangeIdentifier, None) => Told::Code,
        // Where it goes has been proven, and may be no account's any more.
        (CodePurpose::SecondFactor, _) => Told::Code,
        (CodePurpose::Login, None) if creates_accounts => Told::Code,
        (CodePurpose::VerifyIdentifier, Some(true)) | (_, None) => Told::Nothing,
        (_, Some(_)) => Told::Code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_to_whom_they_are_for_and_notices_to_owners() {
        let (nobody, unproven, proven) = (None, Some(false), Some(true));
        let rows = [
            (CodePurpose::SignUp, [Told::Code, Told::HasAccount, Told::HasAccount]),
            (CodePurpose::ChangeIdentifier, [Told::Code, Told::Taken, Told::Taken]),
            (CodePurpose::VerifyIdentifier, [Told::Nothing, Told::Code, Told::Nothing]),
            (CodePurpose::ResetPassword, [Told::Nothing, Told::Code, Told::Code]),
            (CodePurpose::Login, [Told::Nothing, Told::Code, Told::Code]),
        ];
        for (purpose, expected) in rows {
            assert_eq!(
                [nobody, unproven, proven].map(|owner| told(purpose, owner, false)),
                expected,
                "{purpose:?}"
            );
        }
    }

    #[test]
    fn only_a_login_creates_an_account_where_there_is_none() {
        for purpose in [CodePurpose::ResetPassword, CodePurpose::VerifyIdentifier, CodePurpose::LoginLink] {
            assert_eq!(told(purpose, None, true), Told::Nothing, "{purpose:?}");
        }
        assert_eq!(told(CodePurpose::Login, None, true), Told::Code);
    }
}
