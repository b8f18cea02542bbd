//! A promise that is kept after a while.

use std::time::Duration;
use wasm_bindgen_futures::JsFuture;
use worker::js_sys::{Function, Promise, Reflect, global};
use worker::wasm_bindgen::{JsCast as _, JsValue};

/// Starts a timer at once, not when it is waited for: what is computed meanwhile counts.
///
/// The platform's clock stands still while a Worker computes, so nothing here could measure that time; its timers do
/// not. They run from the last I/O.
pub(crate) fn start(duration: Duration) -> JsFuture {
    let millis = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    let global = global();
    Promise::new(&mut |resolve, _| {
        let set_timeout =
            Reflect::get(&global, &"setTimeout".into()).and_then(|found| found.dyn_into::<Function>());
        let set = set_timeout.and_then(|set| set.call2(&global, &resolve, &millis.into()));
        if set.is_err() {
            // Without timers nobody should wait for ever.
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    })
    .into()
}
