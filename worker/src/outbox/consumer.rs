//! The queue's consumer: sends mail and SMS, writes the audit trail, and acknowledges to the owner.
//!
//! A message may come twice: the queue delivers at least once, and an owner repeats what was not acknowledged.
//! What was delivered is remembered by its id. A mail is sent twice by a crash between sending and remembering,
//! and by two consumers that have the same message at the same time; its id goes along as the idempotency key, so
//! that the mail service can tell.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::outbox::message::{
    AuditEvent, Incident, Mail, MailTemplate, Message, NOTICE_EVERY_MILLIS, Owner, Parcel, Recipient,
};
use crate::outbox::sender::Fate;
use crate::outbox::{mail, sms};
use crate::store::accounts::Accounts;
use crate::store::directory::{AuditRow, Directory, Reader};
use crate::store::{intake, keyring};
use crate::wire::problem::Problem;
use postern_core::identifier::Identifier;
use postern_core::json::record;
use postern_core::time::UnixMillis;
use worker::wasm_bindgen::JsValue;
use worker::{MessageBatch, MessageExt as _, Result};

/// How the names of queues of dead letters end, whatever the deployment calls its queues.
const DEAD_LETTERS: &str = "-dead";

/// Delivers a batch. Each message is acknowledged or retried on its own.
pub(crate) async fn consume(
    environment: &Environment,
    batch: &MessageBatch<JsValue>,
    ambient: Ambient,
) -> Result<()> {
    let dead = batch.queue().ends_with(DEAD_LETTERS);
    for message in batch.raw_iter() {
        // As it came: a body that is no text must not keep the rest of the batch from being read.
        let text = message.body().as_string().unwrap_or_default();
        let parcel: Parcel = match record::read(text.as_bytes()) {
            Ok(parcel) => parcel,
            Err(error) => {
                // Nobody will ever be able to read it.
                worker::console_error!("unreadable outbox message {}: {error}", message.id());
                message.ack();
                continue;
            }
        };
        if dead {
            // The row is still in its owner's outbox and will be sent again, less and less often.
            worker::console_error!("message {} was refused too often; its owner repeats it", parcel.id);
            message.ack();
            continue;
        }
        match deliver(environment, &parcel, ambient).await {
            Ok(()) => message.ack(),
            Err(problem) => {
                worker::console_error!("message {}: {}", parcel.id, problem.code());
                message.retry();
            }
        }
    }
    Ok(())
}

async fn deliver(
    environment: &Environment,
    parcel: &Parcel,
    ambient: Ambient,
) -> std::result::Result<(), Problem> {
    let directory = environment.directory()?;
    match &parcel.message {
        Message::Mail(message) => {
            let environment = &environment.of_tenant(&message.tenant)?;
            if !directory.was_delivered(&parcel.id).await? {
                let fate = send(environment, &directory, parcel, message, ambient.now()).await?;
                if let Fate::Refused(status) = fate {
                    // Not the address: the log is no place for it.
                    worker::console_error!("message {}: refused for good with {status}, given up", parcel.id);
                }
                directory.record_delivery(&parcel.id, ambient.now()).await?;
            }
        }
        Message::Audit(event) => directory.record_audit(&parcel.id, &audit_row(event)).await?,
        Message::Incident(about) => {
            let environment = &environment.of_tenant(&about.tenant)?;
            incident(environment, &directory, parcel, about, ambient.now()).await?;
        }
        // Owners deliver these themselves.
        Message::Mark(_) | Message::Status | Message::Snapshot { .. } => {}
    }
    acknowledge(environment, parcel).await
}

/// Something that was tried in vain, if the identifier is an account's: a line of the trail, and another with a word to the
/// owner, once a day, if that has locked the password.
async fn incident(
    environment: &Environment,
    directory: &Directory,
    parcel: &Parcel,
    about: &Incident,
    now: UnixMillis,
) -> std::result::Result<(), Problem> {
    let Incident { tenant, kind, identifier, at, event, locks } = about;
    let Some(owner) = directory.owner_of_value(tenant, *kind, identifier, now).await? else { return Ok(()) };
    let line = |event| AuditRow {
        occurred_at: *at,
        tenant,
        account: Some(owner.account_id.to_string()),
        session: None,
        event,
        detail: Some(kind.as_str()),
    };
    directory.record_audit(&parcel.id, &line(event)).await?;
    if !locks {
        return Ok(());
    }
    directory.record_audit(&format!("{}-lock", parcel.id), &line("password_locked")).await?;
    let notice = format!("lock-notice/{}/{}", owner.account_id, at.as_millis() / NOTICE_EVERY_MILLIS);
    if !directory.was_delivered(&notice).await? {
        let to = Recipient::Account(owner.account_id);
        let (tenant, template) = (tenant.clone(), MailTemplate::PasswordLocked);
        let mail = Mail { tenant, to, template, language: None };
        send(environment, directory, parcel, &mail, now).await?;
        directory.record_delivery(&notice, *at).await?;
    }
    Ok(())
}

/// By mail or by SMS, as the recipient is an address or a number. An account that has neither, or is restricted, gets
/// nothing.
async fn send(
    environment: &Environment,
    directory: &Directory,
    parcel: &Parcel,
    message: &Mail,
    now: UnixMillis,
) -> std::result::Result<Fate, Problem> {
    let reader = match &message.to {
        Recipient::Address(text) => Some(Reader::of(text)),
        Recipient::Account(account) => directory.reader(&message.tenant, account, now).await?,
    };
    let Some(reader) = reader else { return Ok(Fate::Sent) };
    match reader.contact() {
        Some(Identifier::Email(to)) => {
            mail::send(environment, directory, parcel, message, reader, &to, now).await
        }
        Some(Identifier::Phone(to)) => {
            sms::send(environment, directory, parcel, message, reader, &to, now).await
        }
        Some(Identifier::Username(_)) | None => Ok(Fate::Sent),
    }
}

async fn acknowledge(environment: &Environment, parcel: &Parcel) -> std::result::Result<(), Problem> {
    let ids = vec![parcel.id.clone()];
    let acknowledged = match parcel.owner {
        Owner::Account(account) => Accounts::new(environment).acknowledge(&account, ids).await,
        Owner::Intake(shard) => intake::acknowledge(environment, shard, ids).await,
        Owner::Keyring => keyring::acknowledge(environment, ids).await,
    };
    acknowledged.map_err(|error| Problem::unavailable("owner", error))
}

fn audit_row(event: &AuditEvent) -> AuditRow<'_> {
    AuditRow {
        occurred_at: event.occurred_at,
        tenant: &event.tenant,
        account: event.account.map(|account| account.to_string()),
        session: event.session.map(|session| session.to_string()),
        event: &event.event,
        detail: event.detail.as_deref(),
    }
}
