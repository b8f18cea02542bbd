//! What a request has shown of keys (RFC 9449), and the nonce that its answer brings.

use postern_core::dpop::ShownKey;
use postern_core::id::OperationId;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use worker::{Headers, Result};

/// One for an event. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Possession(Rc<Shown>);

#[derive(Default)]
struct Shown {
    /// All that a request asks of an account is one use of its proof.
    request: OnceCell<OperationId>,
    /// The key that a session is opened or refreshed with.
    key: OnceCell<ShownKey>,
    nonce: RefCell<Option<String>>,
}

impl Possession {
    /// The id of the request, drawn when it is first asked for.
    pub(crate) fn request(&self, drawn: [u8; 16]) -> OperationId {
        *self.0.request.get_or_init(|| OperationId::from_bytes(drawn))
    }

    /// Notes the key that the sessions of this request are bound to.
    pub(crate) fn note(&self, key: ShownKey) {
        // A request has one proof, and is asked for it once.
        let _ = self.0.key.set(key);
    }

    /// The key that the sessions of this request are bound to.
    pub(crate) fn key(&self) -> Option<&ShownKey> {
        self.0.key.get()
    }

    /// The nonce for the client's next proof.
    pub(crate) fn offer_nonce(&self, nonce: String) {
        self.0.nonce.replace(Some(nonce));
    }

    /// Says so in an answer.
    pub(crate) fn write(&self, headers: &Headers) -> Result<()> {
        self.0.nonce.borrow().as_ref().map_or(Ok(()), |nonce| headers.set("dpop-nonce", nonce))
    }
}
