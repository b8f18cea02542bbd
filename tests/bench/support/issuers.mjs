// Two issuers and their tokens, the same for every contender and every runtime.

import * as jose from "jose";

export const ISSUER = "https://auth.example";
export const AUDIENCE = "https://api.example";
export const LEEWAY_SECONDS = 30;
export const REQUIRED = ["sub", "iat", "jti", "client_id"];
/** Different ones, so that no table look-up hits the same cache lines every time. */
export const TOKENS = 256;

/** What `jose` is told to check: all that ours checks. */
export const joseOptions = (algorithm) => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  typ: "at+jwt",
  algorithms: [algorithm],
  requiredClaims: REQUIRED,
  clockTolerance: LEEWAY_SECONDS,
});

export function tokensOf(issuer, count) {
  const now = Math.floor(Date.now() / 1000);
  return Promise.all(Array.from({ length: count }, (_, index) => sign(issuer, index, now)));
}

/** The token with another signature. */
export function changed(token) {
  const [header, payload, signature] = token.split(".");
  return [header, payload, (signature.startsWith("A") ? "B" : "A") + signature.slice(1)].join(".");
}

export async function ed25519Issuer() {
  const { publicKey, privateKey } = await jose.generateKeyPair("EdDSA", { extractable: true });
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: "1", alg: "EdDSA", use: "sig" };
  const plainKey = await jose.exportSPKI(publicKey);
  const verifierOptions = { jwks: { keys: [jwk] } };
  return { algorithm: "EdDSA", signingKey: privateKey, key: publicKey, plainKey, verifierOptions, passes: 2 };
}

export async function hmacIssuer() {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  // Imported once: `jose` would import plain bytes again for every token.
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  const verifierOptions = { hmacSecret: secret, hmacKeyId: "1" };
  return { algorithm: "HS256", signingKey: key, key, plainKey: Buffer.from(secret), verifierOptions, passes: 16 };
}

export function sign({ algorithm, signingKey }, index, now, more = {}) {
  const claims = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: "00112233445566778899aabbccddeeff",
    client_id: "web",
    jti: index.toString(16).padStart(32, "0"),
    sid: "ffeeddccbbaa99887766554433221100",
    iat: now,
    exp: now + 3600,
    av: 7,
    roles: ["editor"],
    amr: ["pwd"],
    ...more,
  };
  return new jose.SignJWT(claims).setProtectedHeader({ alg: algorithm, kid: "1", typ: "at+jwt" }).sign(signingKey);
}
