//! The development mailbox: mails that were "sent" on a developer's machine, in KV.

use crate::object::records;
use serde::{Deserialize, Serialize};
use worker::kv::KvStore;
use worker::{Error, Result};

const KEEP_SECONDS: u64 = 86_400;
const MOST_MAILS: u64 = 100;

/// One mail as the developer sees it.
#[derive(Serialize, Deserialize)]
pub(crate) struct SentMail {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) link: Option<String>,
    /// Milliseconds since the epoch.
    pub(crate) created_at: u64,
}

/// Keeps a mail. The same id twice is one mail.
pub(crate) async fn keep(edge: &KvStore, id: &str, mail: &SentMail) -> Result<()> {
    // Keys sort upwards, so the newest mail gets the lowest number.
    let age = u64::MAX.saturating_sub(mail.created_at);
    let key = format!("{}{age:020}/{id}", prefix(&mail.to));
    edge.put(&key, records::write(mail)?)?.expiration_ttl(KEEP_SECONDS).execute().await.map_err(Error::from)
}

/// The mails to an address, newest first.
pub(crate) async fn read(edge: &KvStore, to: &str) -> Result<Vec<SentMail>> {
    let listed = edge.list().prefix(prefix(to)).limit(MOST_MAILS).execute().await?;
    let mut mails = Vec::new();
    for key in listed.keys {
        if let Some(text) = edge.get(&key.name).text().await? {
            mails.push(records::read(text.as_bytes())?);
        }
    }
    Ok(mails)
}

fn prefix(to: &str) -> String {
    format!("development/mailbox/{to}/")
}
