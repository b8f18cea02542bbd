// A passkey in software, by Web Authentication Level 3 and node:crypto alone, which can be told to be wrong in any part; and
// people who have one.

import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

import { AUTH, PASSWORD, claimsOf, client, granted, newAddress } from "./accounts.mjs";

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

/** A client that has to do with passkeys, and people for it. */
export function passkeyClient(server) {
  const owner = client(server);

  const person = async () => {
    const email = newAddress();
    const tokens = await owner.account(email);
    return { email, account: claimsOf(tokens.access_token).sub, bearer: tokens.access_token, ...tokens };
  };
  const begin = (me, body = {}) => owner.post("passkeys/registration", { current_password: PASSWORD, ...body }, { bearer: me.bearer });
  const finish = (me, credential, name = "laptop") => owner.post("passkeys", { name, credential }, { bearer: me.bearer });
  const list = async (me) => (await owner.send("GET", `${AUTH}/passkeys`, { bearer: me.bearer })).body.passkeys;
  const remove = (me, passkey, body = { current_password: PASSWORD }) => owner.send("DELETE", `${AUTH}/passkeys/${passkey.text}`, { bearer: me.bearer, body });
  const options = async () => (await owner.post("passkeys/authentication", {})).body;
  const present = (credential, more) => owner.post("passkeys/login", { credential }, more);
  const signIn = async (passkey, wrong) => present(passkey.get(await options(), wrong));
  const verify = (body, more) => owner.post("2fa/verify", body, more);
  const register = async (me, passkey = new SoftwarePasskey(), body = {}) => {
    const begun = await begin(me, body);
    assert.equal(begun.status, 200, begun.text);
    const done = await finish(me, passkey.create(begun.body));
    assert.equal(done.status, 201, done.text);
    return passkey;
  };
  /** The same session with a new access token: what ends others makes the last one stale. */
  const renewed = async (me) => {
    const tokens = granted(await owner.post("refresh", { refresh_token: me.refresh_token }));
    return { ...me, ...tokens, bearer: tokens.access_token };
  };
  /** Somebody with a passkey. */
  const holder = async (settings) => {
    const me = await person();
    return { ...me, passkey: await register(me, new SoftwarePasskey(settings)) };
  };
  const challenged = ({ status, body, text }, methods) => {
    assert.equal(status, 200, text);
    assert.deepEqual([body.mfa_required, body.methods, body.expires_in], [true, methods, 180], text);
    return body.challenge;
  };
  const storageOf = ({ account }) => server.objectStorage("ACCOUNT", account);
  const stored = async (me) => {
    const [row] = await (await storageOf(me)).exec("SELECT record FROM account WHERE key = 'passkeys'");
    return row && JSON.parse(row.record);
  };
  const store = async (me, record) => (await storageOf(me)).exec("UPDATE account SET record = ? WHERE key = 'passkeys'", JSON.stringify(record));
  const claimed = async (passkey) => {
    const { DIRECTORY } = await server.getEnv();
    return (await DIRECTORY.prepare("SELECT account_id FROM passkeys WHERE credential_id = ?").bind(passkey.text).first())?.account_id;
  };

  return { owner, person, begin, finish, list, remove, options, present, signIn, verify, register, renewed, holder, challenged, stored, store, claimed };
}
