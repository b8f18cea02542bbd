//! `GET …/admin/capabilities`: what this deployment can do, for whoever operates it. No secrets, no addresses.

use crate::object::keyring::ROOT_KEY_BINDING;
use crate::outbox::templates;
use crate::route::admin::operator;
use crate::route::exchange::Exchange;
use crate::route::options::features;
use crate::wire::answer::{Answer, json};
use postern_core::config::{MailSender, SmsSender};
use postern_core::permission::OperatorPermission;
use serde::Serialize;

#[derive(Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own, answered by name")]
struct Capabilities {
    version: &'static str,
    registry_version: u32,
    /// A development build: mails stay here, and keys may be lost.
    is_development: bool,
    has_root_key: bool,
    has_mail_sender: bool,
    has_sms_sender: bool,
    languages: Vec<&'static str>,
    features: Vec<&'static str>,
}

pub(crate) async fn show(exchange: &Exchange) -> Answer {
    operator::authorise(exchange, OperatorPermission::DeploymentRead).await?;
    let (environment, config) = (&exchange.environment, exchange.environment.config());
    let internal = [
        ("session_snapshots", config.sessions().snapshots),
        ("welcome_mail", config.mail().welcome),
        ("new_device_mail", config.mail().new_device),
        ("device_binding", config.device_binding().is_enabled()),
    ];
    let capabilities = Capabilities {
        version: env!("CARGO_PKG_VERSION"),
        registry_version: environment.permissions()?.registry.version().as_u32(),
        is_development: cfg!(feature = "development"),
        has_root_key: !environment.bound(ROOT_KEY_BINDING).is_undefined(),
        has_mail_sender: config.mail().sender != MailSender::DevelopmentMailbox,
        has_sms_sender: !matches!(config.sms().sender, SmsSender::None | SmsSender::DevelopmentMailbox),
        languages: templates::languages().collect(),
        features: features(config)
            .chain(internal.into_iter().filter_map(|(name, is_on)| is_on.then_some(name)))
            .collect(),
    };
    json(200, &capabilities)
}
