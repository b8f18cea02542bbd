//! Who may set a password without the old one: whoever reads what is sent to the address or number, and has the second
//! factor of an account that has one.
//!
//! The mailed secret is compared first, so that only whoever has it learns of a second factor; then the factor is used,
//! then the secret. A factor that is wrong or missing leaves the secret as it was.

use crate::route::exchange::Exchange;
use crate::route::mailed::Presented;
use crate::route::password::check_policy;
use crate::route::second_factor::Factor;
use crate::store::accounts::Accounts;
use crate::store::directory::Credential;
use crate::store::intake::UsedSecret;
use crate::wire::problem::Problem;
use postern_core::identifier::Identifier;
use postern_core::intake::CodePurpose;
use postern_core::password::PasswordInput;

/// A password may be set. Made by [`Recovery::proven`] only.
pub(crate) struct Recovery {
    /// Where the secret was sent.
    pub(crate) contact: Option<Identifier>,
    /// The account, as it was before the secret was used.
    pub(crate) credential: Credential,
    pub(crate) used: UsedSecret,
}

impl Recovery {
    /// Has the secret and the factor accepted and used up. Nothing is, for a password that is a name of its owner's.
    ///
    /// # Errors
    ///
    /// `code_invalid`; with the right secret, `invalid_request`, `second_factor_required`, `second_factor_invalid` and `rate_limited`.
    pub(crate) async fn proven(
        exchange: &Exchange,
        presented: Presented,
        purpose: CodePurpose,
        factor: Option<Factor>,
        password: &PasswordInput,
    ) -> Result<Self, Problem> {
        let mut met = presented.met(exchange, purpose).await?;
        let before = met.compare(exchange).await?;
        let credential = met.credential.as_ref().ok_or_else(Problem::code_invalid)?;
        // A used secret whose change was not made yet would go on with whichever password comes: whoever has read it
        // in the mail must show the factor as the first did.
        if !before.as_ref().is_some_and(|used| was_made(credential, used)) {
            if purpose == CodePurpose::SetPassword && credential.password_hash.is_some() {
                // It has got a password otherwise, perhaps because somebody else had read this mail.
                return Err(Problem::code_invalid());
            }
            check_policy(&exchange.environment, "password", password, credential.into())?;
            demand(exchange, credential, factor).await?;
        }
        let used = match before {
            Some(used) => used,
            None => met.use_up(exchange).await?,
        };
        let credential = met.credential.take().ok_or_else(Problem::code_invalid)?;
        Ok(Self { contact: met.contact, credential, used })
    }

    /// Whether the password was set by this very secret before.
    pub(crate) fn was_made(&self) -> bool {
        was_made(&self.credential, &self.used)
    }
}

fn was_made(credential: &Credential, used: &UsedSecret) -> bool {
    credential.operation_id == Some(used.operation())
}

async fn demand(exchange: &Exchange, credential: &Credential, factor: Option<Factor>) -> Result<(), Problem> {
    let account = &credential.account_id;
    let presented = match factor {
        Some(factor) => Some(factor.presented(exchange, &*exchange.keyring().await?, account).await?),
        None => None,
    };
    Accounts::new(&exchange.environment).recover(account, presented).await
}
