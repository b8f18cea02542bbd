// Tokens of other issuers: verified, never issued.
import { TokenError } from "../errors.js";
import { readCompact, readObject } from "../jws/compact.js";
import { algorithmNamed, isSignedBy } from "../jws/keys.js";
import { shortType } from "../jws/media-type.js";
import { isPublicAddress } from "./address.js";
import { checkClaims, IssuerClaims } from "./claims.js";
import { readPinnedKeys } from "./key-set.js";
import { KeySource } from "./key-source.js";
import { readOptions } from "./options.js";

/** The longest token that is looked at, in bytes. */
const MAX_TOKEN_BYTES = 8192;

/** @typedef {ReturnType<typeof readOptions>["issuers"][number]} IssuerOptions */

/** Verifies the tokens of several issuers. Made by `createIssuers`. */
export class Issuers {
  /** @type {Map<string, Issuer>} */
  #issuers = new Map();
  #now;

  /**
   * @param {any} options
   * @param {{ share: boolean, lookUp?: import("./fetch-json.js").Fetching["lookUp"] }} platform
   */
  constructor(options, { share, lookUp }) {
    const read = readOptions(options);
    const { fetch, timeoutSeconds, allowLoopback, leewaySeconds, waitUntil, now } = read;
    const isAllowed = (/** @type {string} */ address) => isPublicAddress(address) || (allowLoopback && /^(127\.|::1$)/.test(address));
    const fetching = { fetch, timeoutSeconds, lookUp, isAllowed };
    for (const entry of read.issuers) {
      const source = new KeySource(entry, { ...entry, fetching, allowLoopback, share, waitUntil });
      this.#issuers.set(entry.issuer, new Issuer(entry, leewaySeconds, source));
    }
    this.#now = now;
  }

  /**
   * Verifies a token of one of the issuers, and waits for its keys where there are none to judge by.
   *
   * The order: parts, header, type, issuer, key, algorithm, signature, claims.
   *
   * @param {string} token
   * @throws {import("../errors.js").PosternError} `TokenError` or `KeysError`
   */
  async verifyAsync(token) {
    const compact = readCompact(token, MAX_TOKEN_BYTES);
    // Not yet to be believed: it only says whose keys will have to agree.
    const payload = readObject(compact.payload);
    if (!payload) throw new TokenError("payload_malformed");
    const issuer = typeof payload.iss === "string" ? this.#issuers.get(payload.iss) : undefined;
    if (!issuer) throw new TokenError("issuer_unknown");
    return issuer.verify(compact, payload, this.#now());
  }

  /** Fetches the keys of all issuers that have none; those that fail are tried again when a token comes. */
  async ready() {
    await Promise.all([...this.#issuers.values()].map((issuer) => issuer.ready(this.#now())));
  }
}

/** One issuer and its keys. */
class Issuer {
  #options;
  #leewaySeconds;
  #source;
  /** @type {import("./key-set.js").Key[] | undefined} */
  #pinned;

  /** @param {IssuerOptions} options @param {number} leewaySeconds @param {KeySource} source */
  constructor(options, leewaySeconds, source) {
    this.#options = options;
    this.#leewaySeconds = leewaySeconds;
    this.#source = source;
  }

  /** @param {number} now */
  async ready(now) {
    await this.#pinnedKeys();
    await this.#source.keys(now);
  }

  /**
   * @param {import("../jws/compact.js").Compact} compact
   * @param {Record<string, unknown>} payload
   * @param {number} now
   */
  async verify(compact, payload, now) {
    const { header } = compact;
    if (!this.#hasType(header.typ)) throw new TokenError("token_type_mismatch");
    const key = await this.#select(header, now);
    if (algorithmNamed(header.alg) !== key.algorithm) throw new TokenError("algorithm_not_allowed");
    if (!(await isSignedBy(key.algorithm, key.key, compact))) throw new TokenError("signature_invalid");
    checkClaims(payload, { ...this.#options, leewaySeconds: this.#leewaySeconds }, now);
    return new IssuerClaims(payload, this.#options.subjectClaim);
  }

  /** Whether the type is one that is wanted. A token without one is a `JWT` (RFC 7519 §5.1). @param {unknown} typ */
  #hasType(typ) {
    return this.#options.tokenTypes.includes(typeof typ === "string" ? shortType(typ) : "jwt");
  }

  /** @param {Record<string, unknown>} header @param {number} now */
  async #select({ kid, alg }, now) {
    const pinned = await this.#pinnedKeys();
    if (kid === undefined) return onlyKey(pinned, alg) ?? refuse(new TokenError("missing_kid"));
    const known = await this.#source.keys(now);
    // Pinned keys stand in for published ones that cannot be had, and for no others: a key may have been withdrawn.
    if ("failure" in known) return keyWithId(pinned, kid, alg) ?? onlyKey(pinned.filter(({ id }) => id === undefined), alg) ?? refuse(known.failure);
    const key = keyWithId(known.keys, kid, alg) ?? keyWithId(await this.#source.keysAfterMiss(now), kid, alg);
    return key ?? refuse(new TokenError("key_not_found"));
  }

  async #pinnedKeys() {
    const { pinnedKeys, algorithms } = this.#options;
    return (this.#pinned ??= pinnedKeys === undefined ? [] : await readPinnedKeys(pinnedKeys, algorithms));
  }
}

/**
 * The key with this id. If several share it, the one for this algorithm.
 *
 * @param {readonly import("./key-set.js").Key[]} keys
 * @param {unknown} id
 * @param {unknown} alg
 */
function keyWithId(keys, id, alg) {
  const found = keys.filter((key) => key.id === id);
  return found.find(({ algorithm }) => algorithm === algorithmNamed(alg)) ?? found[0];
}

/** The key for this algorithm, if there is exactly one. @param {readonly import("./key-set.js").Key[]} keys @param {unknown} alg */
function onlyKey(keys, alg) {
  const found = keys.filter(({ algorithm }) => algorithm === algorithmNamed(alg));
  return found.length === 1 ? found[0] : undefined;
}

/** @param {Error} error @returns {never} */
function refuse(error) {
  throw error;
}
