import { KeysError } from "../errors.js";
import { Renewal } from "../renewal.js";
import { readAddress } from "./address.js";
import { fetchObject } from "./fetch-json.js";
import { readKeySet } from "./key-set.js";

/** How long after a failure nobody tries again who has no keys at all. */
const RETRY_SECONDS = 5;
/** How many requests may fetch at the same time where they cannot share a fetch. */
const MAX_UNSHARED = 8;

/**
 * The published keys of one issuer: when to fetch them, and how long to believe them.
 *
 * Fresh keys are used as they are. Stale ones are used too, while a fetch runs in the background. Keys older than that
 * are not used: whoever needs them waits for a fetch.
 */
export class KeySource {
  #where;
  #rule;
  /** @type {import("./key-set.js").Key[] | undefined} */
  #keys;
  #renewal;
  /** @type {number[]} when the fetches began that are perhaps still running */
  #unshared = [];

  /**
   * @param {{ jwksUrl: URL | undefined, discoveryUrl: URL | undefined, issuer: string }} where
   * @param {object} rule
   * @param {import("./fetch-json.js").Fetching} rule.fetching
   * @param {readonly string[]} rule.algorithms
   * @param {number} rule.cacheTtlSeconds
   * @param {number} rule.maxStaleSeconds
   * @param {boolean} rule.allowLoopback
   * @param {boolean} rule.share whether one request may wait for the fetch of another
   * @param {(work: Promise<unknown>) => void} rule.waitUntil
   */
  constructor(where, rule) {
    this.#where = where;
    this.#rule = rule;
    this.#renewal = new Renewal(() => this.#load(), rule.share);
  }

  /**
   * The keys to judge by now, or nothing when there are none that may be believed and none can be had.
   *
   * @param {number} now
   * @returns {Promise<{ keys: import("./key-set.js").Key[] } | { failure: KeysError }>}
   */
  async keys(now) {
    const { cacheTtlSeconds, maxStaleSeconds } = this.#rule;
    const { loadedAt = 0, failedAt } = this.#renewal;
    const age = now - loadedAt;
    if (this.#keys && age < cacheTtlSeconds) return { keys: this.#keys };
    if (this.#keys && age < cacheTtlSeconds + maxStaleSeconds) {
      if (this.#renewal.hasCooledDown(now)) this.#rule.waitUntil(this.refresh(now).catch(() => {}));
      return { keys: this.#keys };
    }
    try {
      if (now >= failedAt && now - failedAt < RETRY_SECONDS) throw new KeysError("keys_unavailable", "the key set could not be fetched a moment ago");
      await this.refresh(now);
      return { keys: this.#keys ?? [] };
    } catch (failure) {
      if (failure instanceof KeysError) return { failure };
      throw failure;
    }
  }

  /**
   * The keys after a token with an unknown `kid`: fetched anew, at most once in 30 seconds. If that fails, or it is too
   * early, they are the ones in use.
   *
   * @param {number} now
   */
  async keysAfterMiss(now) {
    if (this.#renewal.isShared || this.#renewal.hasCooledDown(now)) await this.refresh(now).catch(() => {});
    return this.#keys ?? [];
  }

  /**
   * Fetches the keys now. If that fails, the keys in use stay.
   *
   * @param {number} now
   * @returns {Promise<void>}
   */
  refresh(now) {
    if (!this.#rule.share && !this.#mayFetch(now)) {
      return Promise.reject(new KeysError("keys_unavailable", "too many requests are fetching the key set"));
    }
    return this.#renewal.attempt(now);
  }

  /** Counts by the clock, because a request that is cancelled never says that it has ended. @param {number} now */
  #mayFetch(now) {
    this.#unshared = this.#unshared.filter((began) => began <= now && now - began < this.#rule.fetching.timeoutSeconds);
    if (this.#unshared.length >= MAX_UNSHARED) return false;
    this.#unshared.push(now);
    return true;
  }

  async #load() {
    const { fetching, algorithms } = this.#rule;
    const jwks = await fetchObject(this.#where.jwksUrl ?? (await this.#discover()), fetching);
    const keys = await readKeySet(jwks, algorithms);
    return () => {
      this.#keys = keys;
    };
  }

  /** Asks the issuer where its keys are (OpenID Connect Discovery §4). */
  async #discover() {
    const { discoveryUrl, issuer } = this.#where;
    const document = await fetchObject(/** @type {URL} */ (discoveryUrl), this.#rule.fetching);
    // Exactly equal (§4.3): else one issuer could speak for another.
    if (document.issuer !== issuer) throw new KeysError("keys_invalid", "the discovery document is of another issuer");
    try {
      return readAddress(String(document.jwks_uri), { option: "jwks_uri", allowLoopback: this.#rule.allowLoopback });
    } catch (cause) {
      throw new KeysError("keys_invalid", "the discovery document names no address that may be fetched", { cause });
    }
  }
}
