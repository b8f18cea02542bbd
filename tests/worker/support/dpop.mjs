// Clients that hold a key (RFC 9449): proofs made by `dpop` and `jose`, and wrong ones made by hand.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { calculateThumbprint, generateKeyPair, generateProof } from "dpop";
import { exportJWK } from "jose";

import { AUTH, claimsOf } from "./accounts.mjs";
import { ISSUER } from "./people.mjs";

export const b64 = (data) => Buffer.from(data).toString("base64url");
export const json = (value) => b64(JSON.stringify(value));
const HASHES = { ES256: { name: "ECDSA", hash: "SHA-256" }, ES384: { name: "ECDSA", hash: "SHA-384" }, Ed25519: { name: "Ed25519" }, EdDSA: { name: "Ed25519" }, RS256: { name: "RSASSA-PKCS1-v1_5" }, PS256: { name: "RSA-PSS", saltLength: 32 } };

/** A key, whose private half a thief would have to steal as well. */
export async function newKey(alg = "ES256") {
  const { publicKey, privateKey } = alg === "ES384"
    ? await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-384" }, true, ["sign", "verify"])
    : await generateKeyPair(alg, { extractable: true });
  const [jwk, privateJwk] = await Promise.all([exportJWK(publicKey), exportJWK(privateKey)]);
  const thumbprint = alg === "ES384" ? undefined : await calculateThumbprint(publicKey);
  return { alg, publicKey, privateKey, jwk, privateJwk, thumbprint };
}

/** The address of a route, as clients of the deployment know it. */
export const addressOf = (route) => `${ISSUER}${AUTH}/${route}`;

/** A proof as `dpop` makes it, for POST to a route unless it is said otherwise. */
export const proofFor = (key, route, { method = "POST", token, nonce } = {}) => generateProof(key, addressOf(route), method, nonce, token);

/** A proof with this header and these claims, over those of a right one; signed by `signer`, whatever they say. */
export async function proofSaying(key, route, { method = "POST", token, header = {}, claims = {}, signer = key, sign } = {}) {
  const { alg, jwk } = key;
  const ath = token === undefined ? {} : { ath: b64(await crypto.subtle.digest("SHA-256", Buffer.from(token))) };
  const payload = { jti: randomUUID(), htm: method, htu: addressOf(route), iat: Math.floor(Date.now() / 1000), ...ath, ...claims };
  const input = `${json({ typ: "dpop+jwt", alg, jwk, ...header })}.${json(payload)}`;
  const signature = sign ? await sign(input) : await crypto.subtle.sign(HASHES[signer.alg], signer.privateKey, Buffer.from(input));
  return `${input}.${b64(signature)}`;
}

/** What a client sends that has this key: to a route, with a fresh proof, and perhaps with an access token. */
export function holder(owner, key) {
  const send = async (method, route, { body, token, proof, headers = {} } = {}) => {
    const dpop = proof ?? (await proofFor(key, route, { method, token }));
    const authorization = token === undefined ? {} : { authorization: `DPoP ${token}` };
    return owner.send(method, `${AUTH}/${route}`, { body, headers: { dpop, ...authorization, ...headers } });
  };
  const post = (route, body, options) => send("POST", route, { body, ...options });
  return {
    send,
    post,
    login: (email, password) => post("login", { email, password }),
    refresh: (refresh_token, options) => post("refresh", { refresh_token }, options),
    me: (token, options) => send("GET", "me", { token, ...options }),
  };
}

/** Tokens that are bound to a key, in exactly the shape that is promised. */
export function bound({ status, body, text }, { thumbprint }) {
  assert.equal(status, 200, text);
  for (const name of ["access_token", "expires_in", "refresh_token", "token_type"]) assert.ok(name in body, name);
  assert.equal(body.token_type, "DPoP");
  assert.deepEqual(claimsOf(body.access_token).cnf, { jkt: thumbprint });
  return body;
}
