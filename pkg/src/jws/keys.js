// Public keys for signatures, and the one algorithm of each: a table, as WebCrypto knows it.
import { canBeOnEd25519, isOnWeierstrass } from "../webcrypto/curves.js";
import { decodeBase64url, sha256 } from "./base64url.js";

/** How many bits an RSA modulus may have: fewer are broken, and more are slow for whoever has to verify. */
const RSA_BYTES = { min: 256, max: 512 };
/** The members of a JWK that only a private or a shared key has (RFC 7518 §6). */
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/**
 * @typedef {object} Algorithm
 * @property {"RSA" | "EC" | "OKP"} kty
 * @property {string} [crv]
 * @property {any} key parameters of `importKey`
 * @property {any} signature parameters of `verify`
 */

/** @param {string} name @param {string} hash @param {number} [saltLength] @returns {Algorithm} */
const rsa = (name, hash, saltLength) => ({ kty: "RSA", key: { name, hash }, signature: { name, saltLength } });
/** @param {string} crv @param {string} hash @returns {Algorithm} */
const ec = (crv, hash) => ({ kty: "EC", crv, key: { name: "ECDSA", namedCurve: crv }, signature: { name: "ECDSA", hash } });
/** @type {Algorithm} */
const ed25519 = { kty: "OKP", crv: "Ed25519", key: { name: "Ed25519" }, signature: { name: "Ed25519" } };

/** @type {ReadonlyMap<string, Algorithm>} */
const ALGORITHMS = new Map([
  ["EdDSA", ed25519],
  // The same by its full name (RFC 9864).
  ["Ed25519", ed25519],
  ["ES256", ec("P-256", "SHA-256")],
  ["ES384", ec("P-384", "SHA-384")],
  ["RS256", rsa("RSASSA-PKCS1-v1_5", "SHA-256")],
  ["RS384", rsa("RSASSA-PKCS1-v1_5", "SHA-384")],
  ["RS512", rsa("RSASSA-PKCS1-v1_5", "SHA-512")],
  ["PS256", rsa("RSA-PSS", "SHA-256", 32)],
]);

/** The names of all algorithms that can be verified: asymmetric ones only. */
export const ALGORITHM_NAMES = [...ALGORITHMS.keys()];

/**
 * The row of an algorithm by its `alg`, or nothing.
 *
 * @param {unknown} name
 */
export function algorithmNamed(name) {
  return typeof name === "string" ? ALGORITHMS.get(name) : undefined;
}

/**
 * The `alg` of a key that does not name one: the first of the table that fits, which is RS256 for RSA.
 *
 * @param {Record<string, unknown>} jwk
 */
export function usualAlgorithm({ kty, crv }) {
  return ALGORITHM_NAMES.find((name) => fits(algorithmNamed(name), kty, crv));
}

/**
 * The members of a public key, in the order of RFC 7638; nothing for a key that is private, malformed, of another
 * type than the algorithm's, or of a size that is not accepted.
 *
 * @param {unknown} jwk
 * @param {Algorithm} algorithm
 */
export function publicMembers(jwk, algorithm) {
  if (jwk === null || typeof jwk !== "object") return undefined;
  const members = /** @type {Record<string, unknown>} */ (jwk);
  const { kty, crv, n, e, x, y } = members;
  if (!fits(algorithm, kty, crv) || PRIVATE.some((name) => members[name] !== undefined)) return undefined;
  if (kty === "RSA") {
    const [modulus, exponent] = [decodeBase64url(n), decodeBase64url(e)];
    if (!modulus || modulus.length < RSA_BYTES.min || modulus.length > RSA_BYTES.max) return undefined;
    return exponent && isExponent(exponent) ? { e, kty, n } : undefined;
  }
  if (kty === "OKP") return canBeOnEd25519(decodeBase64url(x)) ? { crv, kty, x } : undefined;
  return isOnWeierstrass(crv, decodeBase64url(x), decodeBase64url(y)) ? { crv, kty, x, y } : undefined;
}

/**
 * The key for WebCrypto. Rejects what is not a key.
 *
 * @param {object} members of {@link publicMembers}
 * @param {Algorithm} algorithm
 */
export function importPublicKey(members, algorithm) {
  return crypto.subtle.importKey("jwk", members, algorithm.key, false, ["verify"]);
}

/**
 * Whether the key has made the signature. A host that throws has not found that it did: some reject what is not even of
 * the right length.
 *
 * @param {Algorithm} algorithm
 * @param {CryptoKey} key
 * @param {{ signature: Uint8Array<ArrayBuffer>, signed: Uint8Array<ArrayBuffer> }} parts
 */
export async function isSignedBy(algorithm, key, { signature, signed }) {
  try {
    return await crypto.subtle.verify(algorithm.signature, key, signature, signed);
  } catch {
    return false;
  }
}

/**
 * The thumbprint of a key (RFC 7638), with SHA-256.
 *
 * @param {object} members of {@link publicMembers}
 */
export function thumbprint(members) {
  return sha256(JSON.stringify(members));
}

/**
 * Odd and from 3 on: with 1, every message is its own signature. At most four bytes, because a long one would make
 * every verification slow; the usual one has three.
 *
 * @param {Uint8Array} bytes
 */
function isExponent(bytes) {
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  return bytes.length <= 4 && value >= 3 && value % 2 === 1;
}

/** @param {Algorithm | undefined} algorithm @param {unknown} kty @param {unknown} crv */
function fits(algorithm, kty, crv) {
  return algorithm !== undefined && algorithm.kty === kty && (algorithm.crv === undefined || algorithm.crv === crv);
}
