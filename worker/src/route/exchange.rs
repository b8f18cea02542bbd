//! One event that somebody waits for, and what may be known about it: an HTTP request, or a call from another Worker.

use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::outbox::templates;
use crate::store::directory::Directory;
use crate::store::keyring::{self, Keyring};
use crate::wire::problem::Problem;
use crate::wire::request::Request;
use postern_core::codec::form;
use postern_core::session::DeviceHint;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Deref;
use std::rc::Rc;
use worker::Context;

/// What every event has: the deployment, the moment, and a way to go on after the answer.
pub(crate) struct Event {
    pub(crate) environment: Environment,
    pub(crate) ambient: Ambient,
    context: Context,
}

impl Event {
    pub(crate) const fn new(environment: Environment, ambient: Ambient, context: Context) -> Self {
        Self { environment, ambient, context }
    }

    /// The same for the tenant that a call names, which it has to if there are several.
    pub(crate) fn for_tenant(self, tenant: Option<&str>) -> Result<Self, Problem> {
        let several = self.environment.has_tenants();
        let environment = match tenant {
            None if several => return Err(Problem::tenant_required()),
            None => self.environment,
            Some(tenant) => self.environment.of_tenant(tenant)?,
        };
        Ok(Self { environment, ..self })
    }

    pub(crate) async fn keyring(&self) -> Result<Rc<Keyring>, Problem> {
        keyring::load(&self.environment, self.ambient).await
    }

    pub(crate) fn directory(&self) -> Result<Directory, Problem> {
        self.environment.directory()
    }

    /// Does something after the answer. Only for what may be lost, or is repeated by other means.
    pub(crate) fn afterwards(&self, task: impl Future<Output = Result<(), Problem>> + 'static) {
        self.context.wait_until(async move {
            // A refusal has been logged where it was made.
            let _ = task.await;
        });
    }
}

/// A request on its way through a route.
pub(crate) struct Exchange {
    pub(crate) request: Request,
    event: Event,
}

impl Deref for Exchange {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

impl Exchange {
    pub(crate) const fn new(request: Request, event: Event) -> Self {
        Self { request, event }
    }

    /// The network that the request comes from: an IPv4 address, or the /64 that one IPv6 customer has.
    pub(crate) fn source(&self) -> String {
        let address = self.header("cf-connecting-ip").and_then(|text| text.parse::<IpAddr>().ok());
        // An IPv4 client may come over an IPv6 socket; it is the same client.
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => address.to_string(),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            // Cloudflare always says; only a local runtime does not.
            None => "local".into(),
        }
    }

    /// What the request says of its device, for the list of sessions.
    pub(crate) fn device(&self) -> DeviceHint {
        DeviceHint::new(self.header("user-agent").as_deref(), self.header("cf-connecting-ip").as_deref())
    }

    /// Refuses a login that lacks what sessions are bound to, before anything is used up for it. The account object has
    /// the last word.
    pub(crate) fn check_device(&self) -> Result<(), Problem> {
        if self.environment.device_binding().can_bind_hint(&self.device()) {
            Ok(())
        } else {
            Err(Problem::account("device_hint_missing"))
        }
    }

    /// A parameter of the request's query, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        form::parameter(self.request.query(), name)
    }

    /// The language of ours that the client would like best, for mails.
    pub(crate) fn language(&self) -> Option<&'static str> {
        templates::preferred(&self.header("accept-language")?)
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.request.headers().get(name).ok().flatten()
    }
}
