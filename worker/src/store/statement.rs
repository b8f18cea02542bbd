//! A query of D1 with its values. Rows are read as text, by the reader of records: one more for JavaScript's own
//! objects would be compiled for these alone.

use crate::operations;
use postern_core::json::record;
use serde::de::DeserializeOwned;
use wasm_bindgen_futures::JsFuture;
use worker::js_sys::{JSON, Reflect};
use worker::wasm_bindgen::JsValue;
use worker::{D1PreparedStatement, Result};

pub(crate) struct Statement(D1PreparedStatement);

impl Statement {
    pub(super) const fn new(prepared: D1PreparedStatement) -> Self {
        Self(prepared)
    }

    /// The first row, or its `column` alone.
    pub(crate) async fn first<T: DeserializeOwned>(&self, column: Option<&str>) -> Result<Option<T>> {
        let row = Reflect::get_u32(&self.results().await?, 0)?;
        match column {
            _ if row.is_undefined() => Ok(None),
            Some(column) => read(&Reflect::get(&row, &column.into())?),
            None => read(&row),
        }
    }

    /// All rows.
    pub(crate) async fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        read(&self.results().await?)
    }

    pub(crate) async fn run(&self) -> Result<()> {
        self.results().await?;
        Ok(())
    }

    async fn results(&self) -> Result<JsValue> {
        let answer = JsFuture::from(self.0.inner().all()?).await?;
        operations::directory_rows(&answer);
        Ok(Reflect::get(&answer, &"results".into())?)
    }

    /// For a batch of several.
    pub(super) fn into_prepared(self) -> D1PreparedStatement {
        self.0
    }
}

fn read<T: DeserializeOwned>(value: &JsValue) -> Result<T> {
    let text = String::from(JSON::stringify(value)?);
    record::read(text.as_bytes()).map_err(|error| worker::Error::RustError(error.to_string()))
}
