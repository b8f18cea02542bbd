//! Alarms of objects. All of them are set and ring here, so that development builds can count them: each is billed.

use crate::operations::{self, Store};
use worker::{Result, Storage};

/// Sets the alarm of an object to ring in so many milliseconds.
pub(crate) async fn set(storage: &Storage, millis: i64) -> Result<()> {
    operations::count(Store::AlarmSet);
    storage.set_alarm(millis).await
}

/// The first line of every alarm.
pub(crate) fn rings() {
    operations::count(Store::Alarm);
}
