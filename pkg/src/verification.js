import { checkDemand, isAuthenticatedAs } from "./authentication.js";
import { checkNames } from "./check.js";
import { Claims } from "./claims.js";
import { ConfigurationError, KeysError, TokenError } from "./errors.js";
import { deepFreeze } from "./freeze.js";
import { KeySource } from "./key-source.js";
import { Revocations } from "./revocations.js";
import { TokenCache } from "./token-cache.js";

/**
 * What decides about signatures and claims, and holds the keys for that. Each returns the text of the payload, or
 * throws the reason against the token.
 *
 * @typedef {object} Judge
 * @property {(jwks: string) => (() => void) | Promise<() => void>} readJwks reads public keys; what it gives puts them
 *   into the place of those in use, which stay if either throws
 * @property {(token: string, now: number) => string} [verify] without waiting
 * @property {(token: string, now: number) => Promise<string>} verifyAsync
 * @property {() => Promise<void>} [ready] resolves when the keys that it was made with can be used
 * @property {(text: string) => Uint32Array} [digest] of 256 bits; needed for remembering tokens
 */

/** Everything about verifying that is not the judging itself: keys and their age, remembered tokens, revocations. */
export class Verification {
  #judge;
  #options;
  #now;
  /** @type {KeySource | undefined} */
  #source;
  /** @type {TokenCache | undefined} */
  #cache;
  #revocations = new Revocations();
  #hasKeys;
  /** Counts key sets, so that what an earlier one has accepted is not remembered. */
  #epoch = 0;

  /**
   * @param {Judge} judge
   * @param {ReturnType<typeof import("./options.js").readOptions>} options
   * @param {boolean} shareFetch whether requests may wait for a fetch that another one started
   */
  constructor(judge, options, shareFetch) {
    this.#judge = judge;
    this.#options = options;
    this.#now = options.now;
    this.#hasKeys = options.jwks !== undefined || options.hmacSecret !== undefined;
    const { cacheSize, maxTokenAgeSeconds } = options;
    if (cacheSize > 0 && judge.digest) this.#cache = new TokenCache(cacheSize, judge.digest, maxTokenAgeSeconds);
    const { jwksUrl } = options;
    if (jwksUrl) this.#source = new KeySource({ ...options, jwksUrl }, (jwks) => this.#readKeys(jwks), shareFetch);
  }

  /** @param {string} token @param {any} [demand] */
  verify(token, demand) {
    if (demand === undefined) return this.#verify(token);
    readDemand(demand);
    return this.#meeting(demand, this.#verify(token));
  }

  /** @param {string} token @param {any} [demand] */
  async verifyAsync(token, demand) {
    if (demand === undefined) return this.#verifyAsync(token);
    readDemand(demand);
    return this.#meeting(demand, await this.#verifyAsync(token));
  }

  /**
   * The claims, if their owner was authenticated as that was asked for. Asked of each token that comes, remembered or not.
   *
   * @param {import("./authentication.js").Demand} demand
   * @param {Claims} claims
   */
  #meeting(demand, claims) {
    if (!isAuthenticatedAs(demand, claims.payload, this.#now())) throw new TokenError("reauthentication_required");
    return claims;
  }

  /** @param {string} token */
  #verify(token) {
    checkType(token);
    const now = this.#now();
    this.#checkKeys(now);
    const known = this.#known(token, now);
    if (known) return known;
    try {
      // @ts-ignore Only called where the judge has it.
      return this.#admit(token, this.#judge.verify(token, now), now, this.#epoch);
    } catch (error) {
      if (isUnknownKey(error)) this.#source?.refreshInBackground(now);
      throw error;
    }
  }

  /** @param {string} token */
  async #verifyAsync(token) {
    checkType(token);
    await this.#awaitKeys();
    const known = this.#known(token, this.#now());
    if (known) return known;
    try {
      return await this.#judgeAsync(token);
    } catch (error) {
      if (!isUnknownKey(error)) throw error;
      // The key may be a new one. Whatever comes of the fetch, without the key the refusal stands.
      const fetching = this.#source?.refreshUnlessRecent(this.#now());
      if (!fetching || !(await fetching.then(() => true, () => false))) throw error;
      return this.#judgeAsync(token);
    }
  }

  async ready() {
    if (!this.#hasKeys) await this.#source?.refresh(this.#now());
    await this.#judge.ready?.();
  }

  async refresh() {
    if (!this.#source) throw new ConfigurationError("jwksUrl", "is needed to refresh keys");
    await this.#source.refresh(this.#now());
  }

  /** @param {unknown} mark */
  revoke(mark) {
    this.#revocations.add(mark, this.#now());
  }

  /** @param {Iterable<unknown>} marks */
  setRevocations(marks) {
    const revocations = new Revocations();
    for (const mark of marks) revocations.add(mark, this.#now());
    this.#revocations = revocations;
  }

  /** @param {string} token */
  async #judgeAsync(token) {
    const epoch = this.#epoch;
    const now = this.#now();
    return this.#admit(token, await this.#judge.verifyAsync(token, now), now, epoch);
  }

  /**
   * The claims of an authentic token, unless it has been revoked.
   *
   * @param {string} token
   * @param {string} payload
   * @param {number} now
   * @param {number} epoch of the keys that accepted it
   */
  #admit(token, payload, now, epoch) {
    const cache = this.#cache;
    const value = JSON.parse(payload);
    const { registry, subjectClaim } = this.#options;
    const claims = new Claims(cache ? deepFreeze(value) : value, registry, subjectClaim);
    this.#revocations.check(claims);
    if (cache) Object.freeze(claims);
    if (epoch === this.#epoch) cache?.add(token, claims, now);
    return claims;
  }

  /**
   * @param {string} token
   * @param {number} now
   */
  #known(token, now) {
    const claims = this.#cache?.get(token, now);
    if (claims) this.#revocations.check(claims);
    return claims;
  }

  /** Throws if there are no keys to judge with; starts a fetch if they are old. @param {number} now */
  #checkKeys(now) {
    if (!this.#hasKeys) throw new KeysError("keys_not_loaded", "no keys yet: await verifier.ready() first");
    if (!this.#source?.isStale(now)) return;
    this.#source.refreshInBackground(now);
    if (this.#source.isTooStale(now)) throw new KeysError("keys_stale", "the keys could not be renewed for too long");
  }

  /** The same, but waits for keys where there are none, or old ones. */
  async #awaitKeys() {
    await this.ready();
    await this.#source?.renewStale(this.#now());
    this.#checkKeys(this.#now());
  }

  /** @param {string} jwks */
  async #readKeys(jwks) {
    const use = await this.#judge.readJwks(jwks);
    return () => {
      use();
      this.#hasKeys = true;
      this.#epoch += 1;
      this.#cache?.clear();
    };
  }
}

/** @param {any} demand */
function readDemand(demand) {
  checkNames(demand, ["maxAuthAgeSeconds", "acr"]);
  checkDemand(demand);
}

/** @param {unknown} token */
function checkType(token) {
  if (typeof token !== "string") throw new TokenError("token_malformed");
}

/** @param {unknown} error */
function isUnknownKey(error) {
  return error instanceof TokenError && error.code === "key_not_found";
}
