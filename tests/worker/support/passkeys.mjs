// A passkey in software, by Web Authentication Level 3 and node:crypto alone, which can be told to be wrong in any part.

import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

const PRESENT = 1;
const VERIFIED = 4;
const ATTESTED = 64;
const KINDS = {
  ES256: { create: () => generateKeyPairSync("ec", { namedCurve: "P-256" }), hash: "sha256" },
  EdDSA: { create: () => generateKeyPairSync("ed25519"), hash: null },
  RS256: { create: () => generateKeyPairSync("rsa", { modulusLength: 2048 }), hash: "sha256" },
};

const b64 = (bytes) => Buffer.from(bytes).toString("base64url");
const bytesOf = (text) => Buffer.from(text, "base64url");
const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

/** A CBOR item (RFC 8949 §3): whole numbers, texts, bytes, and maps. */
export function cbor(value) {
  if (Number.isInteger(value)) return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  return Buffer.concat([head(5, value.size), ...[...value].flat().map(cbor)]);
}

function head(major, value) {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  if (value < 256) return Buffer.from([(major << 5) | 24, value]);
  return Buffer.from([(major << 5) | 25, value >> 8, value & 255]);
}

function coseOf(kind, publicKey) {
  const jwk = publicKey.export({ format: "jwk" });
  if (kind === "EdDSA") return new Map([[1, 1], [3, -8], [-1, 6], [-2, bytesOf(jwk.x)]]);
  if (kind === "ES256") return new Map([[1, 2], [3, -7], [-1, 1], [-2, bytesOf(jwk.x)], [-3, bytesOf(jwk.y)]]);
  return new Map([[1, 3], [3, -257], [-1, bytesOf(jwk.n)], [-2, bytesOf(jwk.e)]]);
}

function clientDataOf({ origin }, type, challenge, wrong) {
  return Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false, ...wrong.clientData }));
}

function authenticatorData(passkey, relyingParty, attested, wrong) {
  const { id, kind, keys, verifies } = passkey;
  const flags = wrong.flags ?? PRESENT | (verifies ? VERIFIED : 0) | (attested ? ATTESTED : 0);
  if (passkey.counts) passkey.count += 1;
  const count = Buffer.alloc(4);
  count.writeUInt32BE(wrong.count ?? passkey.count);
  const parts = [sha256(wrong.relyingParty ?? relyingParty), Buffer.from([flags]), count];
  if (attested) parts.push(Buffer.alloc(16, 7), Buffer.from([id.length >> 8, id.length & 255]), id, cbor(wrong.key ?? coseOf(kind, keys.publicKey)));
  return Buffer.concat([...parts, wrong.trailing ?? Buffer.alloc(0)]);
}

/** A passkey for the pages of `origin`. */
export class SoftwarePasskey {
  constructor({ kind = "ES256", origin = "http://localhost:8787", counts = false, verifies = true } = {}) {
    Object.assign(this, { kind, origin, counts, verifies, id: randomBytes(16), count: 0 });
    this.keys = KINDS[kind].create();
  }

  get text() {
    return b64(this.id);
  }

  /** A copy, as somebody has who has read the authenticator's memory. */
  copied() {
    return Object.assign(Object.create(SoftwarePasskey.prototype), this);
  }

  /** `RegistrationResponseJSON` for some creation options. */
  create(options, wrong = {}) {
    this.handle = options.user.id;
    const data = authenticatorData(this, options.rp.id, true, wrong);
    const object = new Map([["fmt", "none"], ["attStmt", new Map()], ["authData", data]]);
    const clientData = clientDataOf(this, "webauthn.create", options.challenge, wrong);
    const response = { clientDataJSON: b64(clientData), attestationObject: b64(cbor(object)), transports: ["internal", "of tomorrow"] };
    return { id: this.text, rawId: this.text, type: "public-key", response, clientExtensionResults: {}, authenticatorAttachment: "platform" };
  }

  /** `AuthenticationResponseJSON` for some request options. */
  get(options, wrong = {}) {
    const data = authenticatorData(this, options.rpId, false, wrong);
    const clientData = clientDataOf(this, "webauthn.get", options.challenge, wrong);
    const signature = sign(KINDS[this.kind].hash, Buffer.concat([data, sha256(clientData)]), this.keys.privateKey);
    const response = { clientDataJSON: b64(clientData), authenticatorData: b64(data), signature: b64(wrong.signature ?? signature), userHandle: this.handle, ...wrong.response };
    return { id: this.text, rawId: this.text, type: "public-key", response, clientExtensionResults: {} };
  }
}
