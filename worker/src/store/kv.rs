//! The key-value store at the edge: texts under names. Only what is used of it, in JavaScript's own words: the
//! `worker` crate serializes options with a format of its own, and formats numbers, which nothing else here does.

use wasm_bindgen_futures::JsFuture;
use worker::js_sys::{Array, Function, Object, Promise, Reflect};
use worker::wasm_bindgen::{JsCast as _, JsValue};
use worker::{Env, Error, Result};

/// A binding to one namespace.
pub(crate) struct KvStore(JsValue);

impl KvStore {
    /// The namespace bound under `name`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn open(env: &Env, name: &str) -> Result<Self> {
        let namespace = Reflect::get(env, &name.into())?;
        if namespace.is_object() { Ok(Self(namespace)) } else { Err(Error::BindingError(name.into())) }
    }

    /// The text under `key`. `cache_seconds` is how old a copy near the reader may be, Cloudflare's default if `None`.
    pub(crate) async fn get(&self, key: &str, cache_seconds: Option<u32>) -> Result<Option<String>> {
        let options = cache_seconds.map(|seconds| option("cacheTtl", seconds)).transpose()?;
        let text = call(&self.0, "get", &Array::of2(&key.into(), &options.into())).await?;
        Ok(text.as_string())
    }

    /// Stores a text for `ttl_seconds`.
    pub(crate) async fn put(&self, key: &str, text: &str, ttl_seconds: u32) -> Result<()> {
        let options = option("expirationTtl", ttl_seconds)?;
        call(&self.0, "put", &Array::of3(&key.into(), &text.into(), &options)).await?;
        Ok(())
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        call(&self.0, "delete", &Array::of1(&key.into())).await?;
        Ok(())
    }
}

/// Calls a method of a binding, and waits for what it promises.
pub(crate) async fn call(binding: &JsValue, method: &str, arguments: &Array) -> Result<JsValue> {
    let method: Function = Reflect::get(binding, &method.into())?.dyn_into()?;
    let answer = method.apply(binding, arguments)?;
    Ok(JsFuture::from(Promise::resolve(&answer)).await?)
}

fn option(name: &str, value: u32) -> Result<JsValue> {
    let options = Object::new();
    Reflect::set(&options, &name.into(), &value.into())?;
    Ok(options.into())
}
