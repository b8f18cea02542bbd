//! What an outbox row says.

use postern_core::factor::FactorChange;
use postern_core::id::{AccountId, SessionId};
use postern_core::identifier::IdentifierKind;
use postern_core::intake::CodePurpose;
use postern_core::revocation::RevocationMark;
use postern_core::session::CredentialChange;
use postern_core::time::{Seconds, UnixMillis};
use serde::{Deserialize, Serialize};

/// The object that holds a row until it is acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Owner {
    Account(AccountId),
    Intake(u8),
    Keyring,
}

/// One effect.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    Mail(Mail),
    Audit(AuditEvent),
    /// A line of the audit trail, and perhaps a word to the owner, if the identifier is an account's.
    Incident(Incident),
    Mark(RevocationMark),
    /// Bring the copy of the account's status in the directory up to what is stored when this is delivered.
    Status,
    /// Bring the copy of a session at the edge up to what is stored when this is delivered. It says nothing of
    /// the session itself, so that messages may overtake each other.
    Snapshot {
        session: SessionId,
    },
}

impl Message {
    /// Whether the queue's consumer delivers it, and acknowledges it to the owner.
    pub(crate) const fn goes_by_queue(&self) -> bool {
        matches!(self, Self::Mail(_) | Self::Audit(_) | Self::Incident(_))
    }

    /// The first moment at which delivering it does nothing for anybody. `None`: never, it must arrive.
    pub(crate) fn expires_at(&self, created_at: UnixMillis) -> Option<UnixMillis> {
        match self {
            Self::Mail(mail) => Some(created_at.plus(match &mail.template {
                MailTemplate::SignUpCode { ttl_seconds, .. }
                | MailTemplate::SetPassword { ttl_seconds, .. }
                | MailTemplate::Code { ttl_seconds, .. }
                | MailTemplate::OrganizationInvite { ttl_seconds, .. }
                | MailTemplate::Link { ttl_seconds, .. } => Seconds::new(*ttl_seconds),
                MailTemplate::SessionReuse
                | MailTemplate::CredentialChanged(_)
                | MailTemplate::FactorChanged(_)
                | MailTemplate::Welcome
                | MailTemplate::NewDevice
                | MailTemplate::PasswordLocked => NOTICE_MATTERS_FOR,
            })),
            Self::Mark(mark) => Some(mark.until),
            Self::Audit(_) | Self::Incident(_) | Self::Status | Self::Snapshot { .. } => None,
        }
    }
}

/// How long it is worth telling somebody what happened to their account.
const NOTICE_MATTERS_FOR: Seconds = Seconds::new(3 * 86_400);

/// Owners are told of what anybody can bring about once in this time.
pub(crate) const NOTICE_EVERY_MILLIS: u64 = 86_400_000;

/// A mail or SMS to be written and sent by the consumer. Which of the two it is, the recipient says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Mail {
    pub(crate) tenant: String,
    pub(crate) to: Recipient,
    pub(crate) template: MailTemplate,
    /// The language that the request which brought it about would like best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<String>,
}

/// To whom a message goes.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Recipient {
    /// An e-mail address or a phone number, whether an account has it or not.
    Address(String),
    /// Whatever address the account has when the message is sent, or without one its phone number.
    Account(AccountId),
}

/// What a mail or SMS is about. The consumer looks up what the request must not know, such as whether an account exists.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MailTemplate {
    /// A sign-up code; to the owner of an existing account, the notice that somebody tried to sign up.
    /// It names nobody: the address is not proven, and whoever typed it chose the name.
    SignUpCode { code: String, ttl_seconds: u32 },
    /// A link to set the first password.
    SetPassword { name: String, token: String, ttl_seconds: u32 },
    /// A code, for whoever the purpose is open to.
    Code { purpose: CodePurpose, code: String, ttl_seconds: u32 },
    /// The secret of a link, which is completed with the account that the address has.
    Link { purpose: CodePurpose, secret: String, ttl_seconds: u32 },
    /// An invitation to an organization, by the name that it has in addresses.
    OrganizationInvite { organization: String, token: String, ttl_seconds: u32 },
    /// A session was ended because its refresh token had been used twice.
    SessionReuse,
    /// The way into the account has changed.
    CredentialChanged(CredentialChange),
    /// What is asked for besides the way in has changed.
    FactorChanged(FactorChange),
    /// The account exists since a moment ago.
    Welcome,
    /// Somebody signed in from a device that the account has not seen lately. Only to a proven address: whoever typed
    /// another into a sign-up would have strangers mailed.
    NewDevice,
    /// The password was tried in vain too often, and is not compared for a while.
    PasswordLocked,
}

/// The line of the audit trail for a wrong password.
pub(crate) const FAILED: &str = "login_failed";
/// The line of the audit trail for a mailed secret that came back after it was used.
pub(crate) const REPLAYED: &str = "password_reset_replay";

/// What somebody did that proved nothing, such as typing a wrong password. Whether there is such an account, the consumer
/// looks up.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Incident {
    pub(crate) tenant: String,
    pub(crate) kind: IdentifierKind,
    pub(crate) identifier: String,
    pub(crate) at: UnixMillis,
    /// How the audit trail calls it.
    pub(crate) event: String,
    /// Whether it has locked the password for everybody.
    #[serde(default)]
    pub(crate) locks: bool,
}

/// One line of the audit trail.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AuditEvent {
    pub(crate) occurred_at: UnixMillis,
    pub(crate) tenant: String,
    pub(crate) account: Option<AccountId>,
    pub(crate) session: Option<SessionId>,
    pub(crate) event: String,
    pub(crate) detail: Option<String>,
}

/// A row on its way through the queue.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) id: String,
    pub(crate) owner: Owner,
    pub(crate) created_at: UnixMillis,
    pub(crate) message: Message,
}
