// Tokens as an issuer makes them, made by `jose`: an implementation that shares no line with this package.
import * as jose from "jose";

export const ISSUER = "https://auth.example";
export const AUDIENCE = "https://api.example";
/** When all test tokens are issued, in seconds since 1970. They live for five minutes. */
export const NOW = 1_800_000_000;

/** An issuer with one key, of Ed25519 unless told otherwise. */
export async function createIssuer(kid = "2027-01", alg = "EdDSA") {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await jose.exportJWK(publicKey)), kid, alg, use: "sig" };
  const claims = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: "00112233445566778899aabbccddeeff",
    client_id: "web",
    jti: "0123456789abcdef0123456789abcdef",
    sid: "ffeeddccbbaa99887766554433221100",
    iat: NOW,
    exp: NOW + 300,
    av: 7,
    roles: ["editor"],
    amr: ["pwd", "otp"],
  };
  return {
    jwks: { keys: [jwk] },
    publicKey,
    privateKey,
    /** Signs the usual claims with `changes` to them; `undefined` removes one. */
    sign: (changes = {}, header = {}) =>
      new jose.SignJWT(JSON.parse(JSON.stringify({ ...claims, ...changes })))
        .setProtectedHeader({ alg, kid, typ: "at+jwt", ...header })
        .sign(privateKey),
    /** What `jose` says to a token. */
    joseAccepts: (token, key = publicKey) =>
      jose
        .jwtVerify(token, key, {
          issuer: ISSUER,
          audience: AUDIENCE,
          typ: "at+jwt",
          algorithms: [alg, "HS256"],
          currentDate: new Date(NOW * 1000),
        })
        .then(() => true, () => false),
  };
}

/** Options of a verifier for that issuer. */
export const optionsFor = (issuer, more = {}) => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  jwks: issuer.jwks,
  now: () => NOW + 1,
  ...more,
});

/** A snapshot with these names in this order, at this width. */
export function snapshot(names, width = 64, deleted = []) {
  const reserved = [63, 127, 255, 511];
  let bit = 0;
  const permissions = names.map((name) => {
    if (reserved.includes(bit)) bit += 1;
    return { name, bit: bit++, ...(deleted.includes(name) ? { deleted: true } : {}) };
  });
  const version = names.length + deleted.length + [64, 128, 256, 512].indexOf(width);
  return { version, width, permissions };
}

/** The text of a mask with these bits set. */
export function mask(width, bits) {
  const bytes = Buffer.alloc(width / 8);
  for (const bit of bits) bytes[bytes.length - 1 - (bit >> 3)] |= 1 << (bit & 7);
  return bytes.toString("base64url");
}

/** Random numbers that are the same in every run (mulberry32). */
export function random(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
