// Key sets (RFC 7517 §5), by the rules of `postern_core::jwt::KeySet`.
import { KeysError } from "../errors.js";
import { algorithmNamed, importPublicKey, publicMembers, thumbprint, usualAlgorithm } from "../jws/keys.js";
import { readObject } from "../jws/strict-json.js";

const MAX_JWKS_BYTES = 65_536;
const MAX_KEYS = 64;
/** Printable ASCII but `"` and `\`. */
export const KEY_ID = /^[!#-[\]-~]{1,128}$/;

/** @typedef {import("../jws/keys.js").Algorithm} Algorithm */

/**
 * A key that checks signatures, for one algorithm.
 *
 * @typedef {object} Key
 * @property {string | undefined} id nothing until the thumbprint is known
 * @property {Algorithm} algorithm
 * @property {() => Promise<CryptoKey>} load
 * @property {object} [members] of a public key, in the order of RFC 7638
 */

/** One to 64 keys with different ids. */
export class KeySet {
  #keys;
  /** @type {Map<Key, CryptoKey>} */
  #loaded = new Map();

  /**
   * @param {Key[]} keys
   * @throws {KeysError} `keys_invalid`
   */
  constructor(keys) {
    if (keys.length > MAX_KEYS) refuse("key_set_too_many_keys");
    if (keys.length === 0) refuse("key_set_empty");
    this.#keys = keys;
    this.#checkIds();
  }

  /** All keys. */
  get keys() {
    return this.#keys;
  }

  /** Names the keys that have no id by their thumbprints. To be awaited before the first `select`. */
  async name() {
    for (const key of this.#keys) key.id ??= await thumbprint(key.members ?? {});
    this.#checkIds();
  }

  /**
   * The key that a token means. Without an id only the only key can be meant; trying several would let a token choose.
   *
   * @param {string | undefined} id
   */
  select(id) {
    if (id === undefined) return this.#keys.length === 1 ? this.#keys[0] : undefined;
    return this.#keys.find((key) => key.id === id);
  }

  /**
   * The key as WebCrypto has it, imported once. The promise is not shared: a request of a Worker must not wait for
   * what another one started.
   *
   * @param {Key} key
   */
  async load(key) {
    const known = this.#loaded.get(key);
    if (known) return known;
    try {
      const loaded = await key.load();
      this.#loaded.set(key, loaded);
      return loaded;
    } catch (cause) {
      throw new KeysError("keys_invalid", "WebCrypto cannot use a key of the set", { cause });
    }
  }

  #checkIds() {
    const ids = this.#keys.map(({ id, members }) => id ?? JSON.stringify(members));
    if (new Set(ids).size < ids.length) refuse("key_id_duplicate");
  }
}

/**
 * Reads a published JWK set.
 *
 * @param {string} jwks JSON text
 * @returns {Key[]}
 * @throws {KeysError} `keys_invalid`
 */
export function readJwks(jwks) {
  const bytes = new TextEncoder().encode(jwks);
  if (bytes.length > MAX_JWKS_BYTES) refuse("key_set_too_large");
  const entries = readObject(bytes)?.members.get("keys");
  if (!Array.isArray(entries)) return refuse("key_set_malformed");
  if (entries.length > MAX_KEYS) refuse("key_set_too_many_keys");
  return entries.map(readKey).filter((key) => key !== undefined);
}

/**
 * A shared secret as a key.
 *
 * @param {string} id
 * @param {string} name `HS256`, `HS384` or `HS512`
 * @param {Uint8Array<ArrayBuffer>} secret
 * @returns {Key}
 */
export function secretKey(id, name, secret) {
  const algorithm = /** @type {Algorithm} */ (hmacNamed(name));
  return { id, algorithm, load: () => crypto.subtle.importKey("raw", secret, algorithm.key, false, ["verify"]) };
}

/**
 * The algorithm of this name, symmetric ones included. Two names of one algorithm give the same row.
 *
 * @param {string} name
 */
export function anyAlgorithmNamed(name) {
  return algorithmNamed(name) ?? hmacNamed(name);
}

/** @type {Map<string, Algorithm>} */
const HMAC = new Map(
  [256, 384, 512].map((bits) => {
    const key = { name: "HMAC", hash: `SHA-${bits}` };
    return [`HS${bits}`, { kty: /** @type {any} */ ("oct"), key, signature: { name: "HMAC" } }];
  }),
);

/** @param {string} name */
function hmacNamed(name) {
  return HMAC.get(name);
}

/**
 * Reads a JWK; nothing if it is well-formed but not for us.
 *
 * @param {any} jwk
 * @returns {Key | undefined}
 */
function readKey(jwk) {
  if (jwk === null || typeof jwk !== "object" || Array.isArray(jwk)) return refuse("key_set_malformed");
  const has = (/** @type {string} */ name) => Object.hasOwn(jwk, name);
  const text = (/** @type {string} */ name) => {
    if (!has(name)) return undefined;
    return typeof jwk[name] === "string" ? jwk[name] : refuse("key_set_malformed");
  };
  const use = text("use");
  const kty = text("kty");
  const crv = kty === undefined ? undefined : text("crv");
  const verifies = !has("key_ops") || (Array.isArray(jwk.key_ops) && jwk.key_ops.includes("verify"));
  const usual = usualAlgorithm({ kty, crv });
  if (usual === undefined || (use !== undefined && use !== "sig") || !verifies || has("d")) return undefined;
  const alg = text("alg") ?? usual;
  const algorithm = anyAlgorithmNamed(alg);
  if (!algorithm) return kty === "OKP" ? refuse("key_unusable") : undefined;
  const id = text("kid");
  const members = publicMembers(jwk, algorithm);
  if (!members || (id !== undefined && !KEY_ID.test(id))) return refuse("key_unusable");
  return { id, algorithm, members, load: () => importPublicKey(members, algorithm) };
}

/**
 * @param {string} code
 * @returns {never}
 */
function refuse(code) {
  throw new KeysError("keys_invalid", `the key set is refused: ${code}`);
}
