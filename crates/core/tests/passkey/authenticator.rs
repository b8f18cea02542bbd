//! An authenticator in software, which can be told to be wrong in every part of what it says.

use p256::ecdsa::signature::Signer as _;
use postern_core::codec::base64url;
use postern_core::passkey::{Assertion, Octets, Registration};
use postern_core::relying_party::RelyingParty;
use sha2::{Digest as _, Sha256};

pub(crate) const PARTY: &str = "example.com";
pub(crate) const ORIGIN: &str = "https://app.example.com";
pub(crate) const CHALLENGE: [u8; 32] = [5; 32];
pub(crate) const HANDLE: [u8; 32] = [6; 32];
pub(crate) const PRESENT: u8 = 1;
pub(crate) const VERIFIED: u8 = 1 << 2;
pub(crate) const ELIGIBLE: u8 = 1 << 3;
pub(crate) const BACKED_UP: u8 = 1 << 4;
pub(crate) const ATTESTED: u8 = 1 << 6;
pub(crate) const EXTENDED: u8 = 1 << 7;

/// A key of this test alone.
const RSA_MODULUS: &str = "9f2a470140e5d5ef317268887e68cb868d09e5b64bd669239fce8b87a86a4c9536380a8ce20e91f24cf06f9bdd27db5cd09ae5b07849586e412c96f6fc9b45e47923eca1a8a39efbfc0148ee02f7091f3e05748f52a790caa897564c4d344d3e462c42282d8ab91e7d6a910cdd030960311b2d28d1a1072a8d3f64927c2405904336b40c03889d0d37c8dde05fb1700c5ed3336da9e72d5489fc14afcff51e688e05d690fc1c46e8da78c140515ad3acf1126577f73c52af07f02a43b6c9d970aaf32692e68f1663309366a12842e93d66c00e90d669cbb026b77b3ffe15f650fd13ad175a4f8eb02663657e0b2c6a6b8629b433f8ec95bceb594b73def5f979";
const RSA_EXPONENT: &str = "6f867f9b6a12df7c3f3b290cc1bb6e88927fcfa1ec8a96ec3c04f9792f399343aacbbd26032e440cafcaf5957ef7540d396da83468c50d89db93ccd30e859aef3ea360343e4e67ebf3e653af582f8bee23523c7d801d9168b5f6d931c9de3d1577423c56be9b5af7defade84d5729ab547b35940c5386825571a2ebf7e71bf1ada7815c886af903315922a1b00c094afc123689a29c97ea9d2b71a11679238ac7fd9431bb8afb95cc520a2f9e19db242cd1c7c0bbdec24de223efa24c740c50733d57c572748cd942463b25a62c9db4f65e1cc245084ea55fb87c72d5e3106dc65062978f28bafdf334eb5e1f4b90081fb39bbb92569c832b3b67171312f01";
const RSA_PRIMES: [&str; 2] = [
    "d0b3611d2eb07953020b2231b76b0c7cb7e0205de70431dee5ca2149691724232892acee0552f6c5f52b86d6bd523a38044d010557ca5c8272ab9ff39c387839473a599e3d0b0d61f23377a5335e7358810e74df79f4d75d2a4b1e103cfc402869f31cdc8f8ed672c15f0355b8d1f786c16f15deb0b2e4387aa06bef2214c2c9",
    "c33ce42430caa0590705ab9bdd93da13a6e7794ce7243bad8907fb56533488a2c18487bde80541cb93e527c2cc5f6bdd87353c9ba33b01d7719fab84200e09e832c18ffabcf2d2eb6c2fef990578bbedeeead9a256e3348e3c3224c39fd92c3dc62d2795ec7c7e10eb8d6afd8a60db6f6c0945c6979b2fa9268a292a1e36a931",
];

pub(crate) fn party() -> RelyingParty {
    RelyingParty::new(PARTY, &[ORIGIN, "https://example.com:8443"]).unwrap()
}

pub(crate) fn octets(bytes: &[u8]) -> Octets {
    Octets::new(bytes.into())
}

/// The head of a CBOR item (RFC 8949 §3) in its shortest form.
pub(crate) fn head(major: u8, value: usize) -> Vec<u8> {
    match value {
        0..=23 => vec![major << 5 | u8::try_from(value).unwrap()],
        24..=255 => vec![major << 5 | 24, u8::try_from(value).unwrap()],
        _ => [&[major << 5 | 25], &u16::try_from(value).unwrap().to_be_bytes()[..]].concat(),
    }
}

pub(crate) fn integer(value: i64) -> Vec<u8> {
    match usize::try_from(value) {
        Ok(value) => head(0, value),
        Err(_) => head(1, usize::try_from(-1 - value).unwrap()),
    }
}

pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    [head(2, value.len()), value.to_vec()].concat()
}

pub(crate) fn text(value: &str) -> Vec<u8> {
    [head(3, value.len()), value.into()].concat()
}

pub(crate) fn map(members: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let inside = members.iter().flat_map(|(key, value)| [key.clone(), value.clone()].concat());
    [head(5, members.len()), inside.collect()].concat()
}

pub(crate) enum Key {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
    Rsa(Box<rsa::pkcs1v15::SigningKey<Sha256>>),
}

impl Key {
    pub(crate) fn all() -> [Self; 3] {
        [Self::ed25519(), Self::p256(), Self::rsa()]
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[1; 32]))
    }

    pub(crate) fn p256() -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&[2; 32]).unwrap())
    }

    pub(crate) fn rsa() -> Self {
        let number = |hex: &str| {
            rsa::BoxedUint::from_be_slice_vartime(&data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap())
        };
        let exponent = rsa::BoxedUint::from_be_slice_vartime(&[1, 0, 1]);
        let primes = RSA_PRIMES.map(number).to_vec();
        let key =
            rsa::RsaPrivateKey::from_components(number(RSA_MODULUS), exponent, number(RSA_EXPONENT), primes);
        Self::Rsa(Box::new(rsa::pkcs1v15::SigningKey::new(key.unwrap())))
    }

    /// The members of the `COSE_Key`.
    pub(crate) fn members(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pairs = match self {
            Self::Ed25519(key) => {
                vec![
                    (1, integer(1)),
                    (3, integer(-8)),
                    (-1, integer(6)),
                    (-2, bytes(key.verifying_key().as_bytes())),
                ]
            }
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let (x, y) = (&point.as_bytes()[1..33], &point.as_bytes()[33..]);
                vec![(1, integer(2)), (3, integer(-7)), (-1, integer(1)), (-2, bytes(x)), (-3, bytes(y))]
            }
            Self::Rsa(_) => {
                let modulus = data_encoding::HEXLOWER.decode(RSA_MODULUS.as_bytes()).unwrap();
                vec![(1, integer(3)), (3, integer(-257)), (-1, bytes(&modulus)), (-2, bytes(&[1, 0, 1]))]
            }
        };
        pairs.into_iter().map(|(label, value)| (integer(label), value)).collect()
    }

    pub(crate) fn cose(&self) -> Vec<u8> {
        map(&self.members())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => ed25519_dalek::Signer::sign(key, message).to_bytes().to_vec(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                der(&signature.to_bytes())
            }
            Self::Rsa(key) => {
                let signature: rsa::pkcs1v15::Signature = rsa::signature::Signer::sign(&**key, message);
                rsa::signature::SignatureEncoding::to_vec(&signature)
            }
        }
    }
}

/// r ‖ s as a sequence of two integers.
pub(crate) fn der(fixed: &[u8]) -> Vec<u8> {
    let number = |half: &[u8]| {
        let zeros = half.iter().take_while(|byte| **byte == 0).count();
        let sign: &[u8] = if half[zeros] >= 0x80 { &[0] } else { &[] };
        let digits = [sign, &half[zeros..]].concat();
        [&[2, u8::try_from(digits.len()).unwrap()], &digits[..]].concat()
    };
    let both = [number(&fixed[..32]), number(&fixed[32..])].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat()
}

/// Everything that goes into a response.
pub(crate) struct Draft {
    pub(crate) kind: &'static str,
    pub(crate) challenge: String,
    pub(crate) origin: String,
    /// More members of the client data.
    pub(crate) more: String,
    /// In place of the client data.
    pub(crate) client_data: Option<Vec<u8>>,
    pub(crate) party: &'static str,
    pub(crate) flags: u8,
    pub(crate) count: u32,
    pub(crate) id: Vec<u8>,
    /// What the browser says that the id is.
    pub(crate) said_id: Vec<u8>,
    /// In place of the length of the id.
    pub(crate) id_length: Option<u16>,
    pub(crate) cose: Vec<u8>,
    pub(crate) extensions: Vec<u8>,
    /// After the authenticator data.
    pub(crate) trailing: Vec<u8>,
    pub(crate) format: &'static str,
    pub(crate) statement: Vec<u8>,
    /// In place of the attestation object.
    pub(crate) object: Option<Vec<u8>>,
    pub(crate) handle: Option<Vec<u8>>,
    /// In place of the signature.
    pub(crate) signature: Option<Vec<u8>>,
}

impl Draft {
    pub(crate) fn registration(key: &Key) -> Self {
        Self {
            kind: "webauthn.create",
            challenge: base64url::encode(&CHALLENGE),
            origin: ORIGIN.into(),
            more: String::new(),
            client_data: None,
            party: PARTY,
            flags: PRESENT | VERIFIED | ATTESTED,
            count: 0,
            id: vec![9; 16],
            said_id: vec![9; 16],
            id_length: None,
            cose: key.cose(),
            extensions: Vec::new(),
            trailing: Vec::new(),
            format: "none",
            statement: vec![0xa0],
            object: None,
            handle: None,
            signature: None,
        }
    }

    pub(crate) fn assertion(key: &Key) -> Self {
        let handle = Some(HANDLE.into());
        Self { kind: "webauthn.get", flags: PRESENT | VERIFIED, handle, ..Self::registration(key) }
    }

    pub(crate) fn client_data(&self) -> Vec<u8> {
        let Self { kind, challenge, origin, more, .. } = self;
        let text = format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}"{more}}}"#);
        self.client_data.clone().unwrap_or_else(|| text.into_bytes())
    }

    pub(crate) fn authenticator_data(&self) -> Vec<u8> {
        let mut data = Sha256::digest(self.party.as_bytes()).to_vec();
        data.push(self.flags);
        data.extend(self.count.to_be_bytes());
        if self.flags & ATTESTED != 0 {
            let length = self.id_length.unwrap_or_else(|| self.id.len().try_into().unwrap());
            data.extend([[7; 16].as_slice(), &length.to_be_bytes(), &self.id, &self.cose].concat());
        }
        [data, self.extensions.clone(), self.trailing.clone()].concat()
    }

    pub(crate) fn to_registration(&self) -> Registration {
        let object = map(&[
            (text("fmt"), text(self.format)),
            (text("attStmt"), self.statement.clone()),
            (text("authData"), bytes(&self.authenticator_data())),
        ]);
        Registration {
            id: octets(&self.said_id),
            client_data: octets(&self.client_data()),
            attestation: Octets::new(self.object.clone().unwrap_or(object)),
        }
    }

    pub(crate) fn to_assertion(&self, key: &Key) -> Assertion {
        let (client_data, data) = (self.client_data(), self.authenticator_data());
        let message = [&data[..], &Sha256::digest(&client_data)].concat();
        Assertion {
            id: octets(&self.said_id),
            client_data: Octets::new(client_data),
            authenticator_data: Octets::new(data),
            signature: Octets::new(self.signature.clone().unwrap_or_else(|| key.sign(&message))),
            user_handle: self.handle.as_deref().map(octets),
        }
    }
}
