// Proofs of possession as a client makes them, made by `jose`, so that every part can be made wrong.
import { createHash } from "node:crypto";
import * as jose from "jose";
import { NOW } from "./tokens.mjs";

export const ORIGIN = "https://api.example";

/** What a proof says of its token (RFC 9449 §4.2): computed by Node, not by WebCrypto. */
export const hashOf = (token) => createHash("sha256").update(token).digest("base64url");

/** A client with a key. `thumbprint` is what its tokens are bound to. */
export async function createProver(alg = "ES256") {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = await jose.exportJWK(publicKey);
  const privateJwk = await jose.exportJWK(privateKey);
  let count = 0;
  return {
    alg,
    jwk,
    privateJwk,
    keyPair: { publicKey, privateKey },
    thumbprint: await jose.calculateJwkThumbprint(jwk),
    /** A good proof but for the changes; `undefined` removes a claim or a header. */
    prove(token, claims = {}, header = {}) {
      const usual = { jti: `proof-${++count}`, htm: "GET", htu: `${ORIGIN}/private`, iat: NOW, ath: hashOf(token) };
      return new jose.SignJWT(JSON.parse(JSON.stringify({ ...usual, ...claims })))
        .setProtectedHeader(JSON.parse(JSON.stringify({ alg, typ: "dpop+jwt", jwk, ...header })))
        .sign(privateKey);
    },
  };
}
