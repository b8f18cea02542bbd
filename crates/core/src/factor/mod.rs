//! Second factors: codes of an authenticator app (RFC 6238), backup codes, and the challenge between a first factor
//! and a session.
//!
//! These are the rules of an account's owner, who keeps the records and decides in one transaction: counting an attempt,
//! comparing it, remembering the step that was used and opening the session cannot be pulled apart.

mod backup;
mod challenge;
mod change;
mod record;
mod sent;
mod totp;
mod trusted;

pub use backup::{BACKUP_CODES, BackupCode, BackupCodes, BackupDigest, backup_codes};
pub use challenge::{
    ChallengeAnswer, ChallengeId, ChallengeOutcome, ChallengePolicy, ChallengeRefusal, FactorChallenge,
    FactorGuard, answer_challenge, find_waiting, live_challenges,
};
pub use change::FactorChange;
pub use record::{
    EnrolmentOutcome, EnrolmentRefusal, FactorMethod, FactorRecord, PendingTotp, PresentedFactor, TotpFactor,
    begin_enrolment, confirm_enrolment, use_factor,
};
pub use sent::{
    CodeOwner, ContactFactor, ContactOutcome, PendingContact, SENT_CODE_TTL, SendRefusal, SendingRate,
    SentCode, StepUpCode, begin_contact, confirm_contact, send_code, send_step_up_code, use_step_up_code,
};
pub use totp::{
    TotpAlgorithm, TotpParameters, TotpParametersError, TotpSecret, TotpVerdict, check_totp, provisioning_uri,
};
pub use trusted::{TrustedDevice, TrustedDeviceId};
