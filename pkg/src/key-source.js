import { ConfigurationError, KeysError } from "./errors.js";
import { fetchBytes, within } from "./fetch-bytes.js";
import { Renewal } from "./renewal.js";

/** How long a fetch may take. */
const TIMEOUT_SECONDS = 5;

/**
 * The published keys of a verifier's own issuer: when to fetch them, and how long to believe them.
 *
 * Stale keys are used while they are being renewed, for a bounded time.
 */
export class KeySource {
  #options;
  #read;
  #renewal;

  /**
   * @param {object} options
   * @param {URL} options.jwksUrl
   * @param {typeof globalThis.fetch | undefined} options.fetch
   * @param {number} options.jwksMaxAgeSeconds
   * @param {number} options.jwksMaxStaleSeconds
   * @param {(work: Promise<unknown>) => void} options.waitUntil
   * @param {(jwks: string) => Promise<() => void>} read reads a key set, or throws; what it gives puts it into use
   * @param {boolean} share whether one request may wait for the fetch of another
   */
  constructor(options, read, share) {
    this.#options = options;
    this.#read = read;
    this.#renewal = new Renewal(() => this.#load(), share);
  }

  /**
   * Fetches the keys now. Callers at the same time share one fetch, where requests may.
   *
   * @param {number} now
   */
  refresh(now) {
    return this.#renewal.attempt(now);
  }

  /**
   * Fetches the keys, unless that was tried less than 30 seconds ago: whatever tokens come, the issuer is not flooded.
   *
   * @param {number} now
   * @returns {Promise<void> | undefined} nothing when there is nothing to wait for
   */
  refreshUnlessRecent(now) {
    return this.#renewal.isShared || this.#renewal.hasCooledDown(now) ? this.refresh(now) : undefined;
  }

  /**
   * The same without anybody to wait for it. A failure shows as `key_not_found` of the tokens, and the next attempt
   * follows after the cool-down.
   *
   * @param {number} now
   */
  refreshInBackground(now) {
    if (this.#renewal.hasCooledDown(now)) this.#options.waitUntil(this.refresh(now).catch(() => {}));
  }

  /**
   * Renews stale keys before they are used. Whoever begins the fetch waits for it: in the background it might end with
   * the request. Others wait only if the keys are too stale to go on with.
   *
   * @param {number} now
   */
  async renewStale(now) {
    if (!this.isStale(now)) return;
    if (this.isTooStale(now) || this.#renewal.hasCooledDown(now)) await this.refreshUnlessRecent(now)?.catch(() => {});
  }

  /**
   * Whether the keys should be renewed: after their age, because a withdrawn one might be among them; at once if they
   * were given and never fetched, because nobody knows how old they are.
   *
   * @param {number} now
   */
  isStale(now) {
    const { loadedAt } = this.#renewal;
    return loadedAt === undefined || now - loadedAt >= this.#options.jwksMaxAgeSeconds;
  }

  /**
   * Whether renewing the keys has brought nothing for so long that they are not to be used any more. Counted from the
   * first attempt, not from the last success: a program that was idle over night has not failed.
   *
   * @param {number} now
   */
  isTooStale(now) {
    const { tryingSince } = this.#renewal;
    return tryingSince !== undefined && now - tryingSince >= this.#options.jwksMaxStaleSeconds;
  }

  async #load() {
    const { jwksUrl, fetch } = this.#options;
    const accept = "application/jwk-set+json, application/json";
    let jwks;
    try {
      const bytes = await within(TIMEOUT_SECONDS, (signal) => fetchBytes(jwksUrl, { fetch, accept, signal }));
      jwks = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (cause) {
      throw new KeysError("keys_unavailable", `the key set cannot be fetched from ${jwksUrl.origin}`, { cause });
    }
    return this.#read(jwks);
  }
}

/**
 * Checks the address of a key set: `https`, or plain `http` on this machine.
 *
 * @param {string | URL} value
 */
export function checkUrl(value) {
  /** @type {URL} */
  let url;
  try {
    url = new URL(value);
  } catch {
    throw new ConfigurationError("jwksUrl", "is not an absolute URL");
  }
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLocal)) {
    throw new ConfigurationError("jwksUrl", "must be https, or http on localhost");
  }
  if (url.username || url.password) throw new ConfigurationError("jwksUrl", "must not contain credentials");
  return url;
}
