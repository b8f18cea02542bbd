//! The one way in which an object commits: several writes, all or none.

use worker::js_sys::{Function, Reflect};
use worker::wasm_bindgen::closure::ScopedClosure;
use worker::wasm_bindgen::{JsCast as _, JsValue};
use worker::{Error, Result, Storage};

/// Runs `change` in one storage transaction: what it wrote is kept if it returns `Ok`, and gone if it does not.
///
/// Two statements executed one after the other are *not* atomic by themselves: an exception between them keeps
/// the first. `ctx.storage.transactionSync` makes them so; the `worker` crate does not wrap it, hence the detour
/// through the JavaScript object. `change` is synchronous on purpose: nothing may wait inside a transaction.
///
/// # Errors
///
/// The error of `change`, or the one with which the runtime refused the transaction.
pub(crate) fn commit<T>(storage: &Storage, change: impl FnOnce() -> Result<T>) -> Result<T> {
    let raw: &JsValue = storage.as_raw().as_ref();
    let transaction_sync: Function = Reflect::get(raw, &"transactionSync".into())?.dyn_into()?;

    let mut change = Some(change);
    let mut outcome: Option<Result<T>> = None;
    let mut step = || -> std::result::Result<(), JsValue> {
        let result = match change.take() {
            Some(change) => change(),
            None => Err(Error::RustError("the transaction ran twice".into())),
        };
        // Throwing is what rolls back; the error itself stays on this side.
        let thrown = if result.is_err() { Err(JsValue::from_str("rolled back")) } else { Ok(()) };
        outcome = Some(result);
        thrown
    };
    let finished = {
        let callback: ScopedClosure<'_, dyn FnMut() -> std::result::Result<(), JsValue>> =
            ScopedClosure::borrow_mut(&mut step);
        transaction_sync.call1(raw, callback.as_js_value())
    };
    match (outcome, finished) {
        (Some(Err(error)), _) => Err(error),
        (Some(Ok(value)), Ok(_)) => Ok(value),
        (Some(Ok(_)) | None, Err(error)) => Err(error.into()),
        (None, Ok(_)) => Err(Error::RustError("the transaction did not run".into())),
    }
}
