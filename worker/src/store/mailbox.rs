//! The development mailbox: mails and SMS that were "sent" on a developer's machine, in KV.

use crate::object::records;
use postern_core::order;
use serde::{Deserialize, Serialize};
use worker::kv::KvStore;
use worker::{Error, Result};

const KEEP_SECONDS: u64 = 86_400;
const MOST_MAILS: u64 = 100;
const ROOT: &str = "development/mailbox/";

/// One mail or SMS as the developer sees it.
#[derive(Serialize, Deserialize)]
pub(crate) struct SentMail {
    pub(crate) to: String,
    /// `mail` or `sms`.
    pub(crate) channel: String,
    /// Empty for an SMS.
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) language: String,
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
    Ok(list(edge, prefix(to)).await?.into_iter().map(|(_, mail)| mail).collect())
}

/// The mails to everybody, newest first, each with the name that [`find`] knows it by.
pub(crate) async fn read_all(edge: &KvStore) -> Result<Vec<(String, SentMail)>> {
    let mut mails = list(edge, ROOT.into()).await?;
    order::sort_by_key(&mut mails, |(_, mail)| core::cmp::Reverse(mail.created_at));
    Ok(mails)
}

/// One mail by its name.
pub(crate) async fn find(edge: &KvStore, name: &str) -> Result<Option<SentMail>> {
    let text = edge.get(&format!("{ROOT}{name}")).text().await?;
    text.map(|text| records::read(text.as_bytes())).transpose()
}

async fn list(edge: &KvStore, prefix: String) -> Result<Vec<(String, SentMail)>> {
    let listed = edge.list().prefix(prefix).limit(MOST_MAILS).execute().await?;
    let mut mails = Vec::new();
    for key in listed.keys {
        if let Some(text) = edge.get(&key.name).text().await? {
            let name = key.name.strip_prefix(ROOT).unwrap_or_default();
            mails.push((name.into(), records::read(text.as_bytes())?));
        }
    }
    Ok(mails)
}

fn prefix(to: &str) -> String {
    format!("{ROOT}{to}/")
}
