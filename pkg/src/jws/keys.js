// Public keys for signatures, and the one algorithm of each: a table, as WebCrypto knows it.
import { decodeBase64url, sha256 } from "./base64url.js";
import { canBeOnEd25519, isOnEd25519, isOnWeierstrass } from "./curves.js";

/** How many bits an RSA modulus must have: fewer are broken. */
const MIN_RSA_BITS = 2048;
/** What an issuer's own keys may be, as in the core: with more bits they are slow for whoever has to verify. */
const OWN = { maxRsaBits: 8192, isOnEd25519 };
/** What a key may cost that was not made for us: anybody can send one with a proof, and third parties 64 at once. */
const FOREIGN = { maxRsaBits: 4096, isOnEd25519: canBeOnEd25519 };
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
 * The members of a public key, in the order of RFC 7638; nothing for a key that is malformed, of another type than the
 * algorithm's, or of a size that is not accepted. RSA: an odd modulus of 2,048 bits or more, and an odd exponent from 3
 * to 2³²−1, neither with leading zeros.
 *
 * @param {any} jwk an object
 * @param {Algorithm} algorithm
 * @param {typeof OWN} [limits]
 */
export function publicMembers({ kty, crv, n, e, x, y }, algorithm, limits = OWN) {
  if (!fits(algorithm, kty, crv)) return undefined;
  if (kty === "OKP") return limits.isOnEd25519(decodeBase64url(x)) ? { crv, kty, x } : undefined;
  if (kty === "EC") return isOnWeierstrass(crv, decodeBase64url(x), decodeBase64url(y)) ? { crv, kty, x, y } : undefined;
  // An exponent of one bit is 1, with which every message is its own signature.
  const [modulus, exponent] = [bitsOfOdd(decodeBase64url(n)), bitsOfOdd(decodeBase64url(e))];
  const isGood = modulus >= MIN_RSA_BITS && modulus <= limits.maxRsaBits && exponent >= 2 && exponent <= 32;
  return isGood ? { e, kty, n } : undefined;
}

/**
 * The same for a key from somebody else: within the limits of what that may cost, and nothing for one with a private
 * part, which is nobody's proof any more.
 *
 * @param {any} jwk
 * @param {Algorithm} algorithm
 */
export function foreignMembers(jwk, algorithm) {
  const isPublic = jwk !== null && typeof jwk === "object" && PRIVATE.every((name) => jwk[name] === undefined);
  return isPublic ? publicMembers(jwk, algorithm, FOREIGN) : undefined;
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
 * The length in bits of an odd number without leading zeros; 0 for anything else.
 *
 * @param {Uint8Array | undefined} bytes big-endian
 */
function bitsOfOdd(bytes) {
  const isOdd = bytes !== undefined && bytes[0] > 0 && (bytes[bytes.length - 1] & 1) === 1;
  return isOdd ? bytes.length * 8 - (Math.clz32(bytes[0]) - 24) : 0;
}

/** @param {Algorithm | undefined} algorithm @param {unknown} kty @param {unknown} crv */
function fits(algorithm, kty, crv) {
  return algorithm !== undefined && algorithm.kty === kty && (algorithm.crv === undefined || algorithm.crv === crv);
}
