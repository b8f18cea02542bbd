//! Everything before an account is proven: pending sign-ups, one-time codes, and the links of later steps.
//!
//! These are the rules of the object that owns such records. It loads what it has for an identifier, calls one
//! function, and stores what comes back, all in one transaction: counting a guess, comparing it and claiming
//! cannot be pulled apart.
//!
//! Nothing secret is stored. Codes and link secrets are kept as HMAC-SHA-256 under a pepper ([`CodeDigest`]),
//! bound to their purpose, tenant and subject. Refusals have names for the audit log, and one public code.

mod claim;
mod digest;
mod link;
mod mailed;
mod one_time;
mod resend;
mod sign_up;
mod told;

pub use claim::{ClaimOutcome, ClaimRefusal, ClaimRequest, ClaimSelector, ClaimedSignUp, claim_sign_up};
pub use digest::{CodeBinding, CodeDigest, CodePurpose};
pub use link::{LinkToken, LinkTokenError};
pub use mailed::{
    GuessLimit, MailOutcome, MailedPolicy, MailedSecret, PresentOutcome, PresentedSecret, mail_secret,
    present_secret,
};
pub use one_time::{ConsumeOutcome, ConsumeRefusal, OneTimeSecret, SecretUse, UsePolicy, consume};
pub use resend::{ResendOutcome, resend_sign_up};
pub use sign_up::{
    GuessBudget, NewSignUp, OpenSignUpOutcome, PendingSignUp, Resent, SignUpAddress, SignUpClaim,
    SignUpPolicy, SignUpWrites, finish_sign_up, open_sign_up, pending_password,
};
pub use told::{ContactOwner, Told, told};

/// The one public code for every refused code or link.
pub const CODE_INVALID: &str = "code_invalid";
