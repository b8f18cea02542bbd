import { ConfigurationError, KeysError } from "../errors.js";
import { algorithmNamed, foreignMembers, importPublicKey, usualAlgorithm } from "../jws/keys.js";

/** More keys than this no issuer has; importing them takes time. */
const MAX_KEYS = 64;

/**
 * A key and its one algorithm.
 *
 * @typedef {object} Key
 * @property {string | undefined} id `kid`
 * @property {import("../jws/keys.js").Algorithm} algorithm
 * @property {CryptoKey} key
 */

/**
 * The keys of a JWK Set (RFC 7517 §5) that can verify signatures with one of these algorithms. Others are passed over:
 * private ones, malformed ones, those for encryption, and those of unknown types.
 *
 * @param {unknown} jwks
 * @param {readonly string[]} algorithms
 * @returns {Promise<Key[]>}
 * @throws {KeysError} `keys_invalid` when no key is left
 */
export async function readKeySet(jwks, algorithms) {
  const { keys } = /** @type {any} */ (jwks) ?? {};
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw new KeysError("keys_invalid", "this is not a key set");
  const read = await Promise.all(keys.map((jwk) => readKey(jwk, algorithms)));
  const usable = read.filter((key) => key !== undefined);
  if (usable.length === 0) throw new KeysError("keys_invalid", "the key set has no key that can be used");
  return usable;
}

/**
 * Pinned keys: a JWK Set, or keys in PEM with their algorithms.
 *
 * @param {any} pinned
 * @param {readonly string[]} algorithms
 */
export async function readPinnedKeys(pinned, algorithms) {
  try {
    if (!Array.isArray(pinned)) return await readKeySet(pinned, algorithms);
    return await readKeySet({ keys: await Promise.all(pinned.map(jwkOfPem)) }, algorithms);
  } catch (cause) {
    throw Object.assign(new ConfigurationError("pinnedKeys", "must be a JWK Set or { pem, alg, kid? } of public keys"), { cause });
  }
}

/** @param {any} jwk @param {readonly string[]} algorithms @returns {Promise<Key | undefined>} */
async function readKey(jwk, algorithms) {
  const { alg, kid, use, key_ops: operations } = jwk ?? {};
  if ((use !== undefined && use !== "sig") || (kid !== undefined && typeof kid !== "string")) return undefined;
  if (Array.isArray(operations) && !operations.includes("verify")) return undefined;
  const name = alg ?? usualAlgorithm(jwk ?? {});
  const algorithm = algorithms.includes(name) ? algorithmNamed(name) : undefined;
  const members = algorithm && foreignMembers(jwk, algorithm);
  const key = members && (await importPublicKey(members, algorithm).catch(() => undefined));
  return key && { id: kid, algorithm, key };
}

/** The JWK of a public key in PEM (RFC 7468 §13). @param {any} pinned */
async function jwkOfPem({ pem, alg, kid }) {
  const [, body = ""] = /^-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/.exec(pem) ?? [];
  const algorithm = algorithmNamed(alg);
  const binary = atob(body.replace(/\s/g, ""));
  if (!algorithm || binary === "") throw new Error("not a public key");
  const der = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const key = await crypto.subtle.importKey("spki", der, algorithm.key, true, ["verify"]);
  const { kty, crv, n, e, x, y } = await crypto.subtle.exportKey("jwk", key);
  return { kty, crv, n, e, x, y, alg, kid };
}
