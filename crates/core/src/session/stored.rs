//! How times and secrets are written in stored records and messages: milliseconds and seconds as numbers,
//! secret bytes as base64url. Each module is for `#[serde(with = "…")]`.

use crate::codec::base64url;
use crate::secret::Secret;
use crate::time::{UnixMillis, UnixSeconds};
use alloc::string::String;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

pub(crate) mod millis {
    use super::{Deserialize, Deserializer, Serializer, UnixMillis};

    pub(crate) fn serialize<S: Serializer>(time: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.as_millis())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixMillis, D::Error> {
        u64::deserialize(deserializer).map(UnixMillis::new)
    }
}

pub(crate) mod optional_millis {
    use super::{Deserialize, Deserializer, Serialize, Serializer, UnixMillis};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<UnixMillis>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(UnixMillis::as_millis).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<UnixMillis>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(UnixMillis::new))
    }
}

pub(crate) mod seconds {
    use super::{Deserialize, Deserializer, Serializer, UnixSeconds};

    pub(crate) fn serialize<S: Serializer>(time: &UnixSeconds, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.as_secs())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixSeconds, D::Error> {
        u64::deserialize(deserializer).map(UnixSeconds::new)
    }
}

pub(crate) mod secret {
    use super::{Deserialize, Deserializer, Secret, Serializer, String, Zeroizing, base64url};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        secret: &Secret<N>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(base64url::encode(secret.expose()));
        serializer.serialize_str(&text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<Secret<N>, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        base64url::decode_array(text.as_bytes()).map(Secret::new).map_err(D::Error::custom)
    }
}

pub(crate) mod optional_secret {
    use super::{Deserialize, Deserializer, Secret, Serializer, String, Zeroizing, base64url};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        secret: &Option<Secret<N>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => super::secret::serialize(secret, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<Option<Secret<N>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)?.map(Zeroizing::new) else {
            return Ok(None);
        };
        base64url::decode_array(text.as_bytes())
            .map(|bytes| Some(Secret::new(bytes)))
            .map_err(D::Error::custom)
    }
}
