import { ConfigurationError, KeysError } from "./errors.js";

/** How long an unknown `kid` triggers no second fetch. */
const COOL_DOWN_SECONDS = 30;
/** How long a fetch may take. */
const TIMEOUT_MILLISECONDS = 5000;
/** The largest key set that is read: the cap of the core. */
const MAX_JWKS_BYTES = 65_536;

/**
 * Keys that are fetched from the issuer: on request, or in the background.
 *
 * It decides when to fetch; it never makes anyone wait who did not ask to.
 */
export class KeySource {
  #url;
  #fetch;
  #maxAgeSeconds;
  #maxStaleSeconds;
  #accept;
  /** @type {number | undefined} */
  #attemptedAt;
  /** @type {number | undefined} */
  #loadedAt;
  /** @type {number | undefined} the first failure since the last success */
  #failingSince;
  /** @type {Promise<void> | undefined} */
  #pending;
  #share;

  /**
   * @param {object} options
   * @param {URL} options.url
   * @param {typeof globalThis.fetch | undefined} options.fetch
   * @param {number} options.maxAgeSeconds
   * @param {number} options.maxStaleSeconds
   * @param {(jwks: string) => void | Promise<void>} options.accept takes the key set, or throws
   * @param {boolean} options.share whether concurrent callers may await one fetch
   */
  constructor({ url, fetch, maxAgeSeconds, maxStaleSeconds, accept, share }) {
    this.#url = url;
    this.#fetch = fetch;
    this.#maxAgeSeconds = maxAgeSeconds;
    this.#maxStaleSeconds = maxStaleSeconds;
    this.#accept = accept;
    this.#share = share;
  }

  /**
   * Fetches the keys now. Callers at the same time share one fetch.
   *
   * @param {number} now
   * @returns {Promise<void>}
   */
  refresh(now) {
    if (this.#pending && this.#share) return this.#pending;
    this.#attemptedAt = now;
    const pending = this.#load(now).finally(() => {
      if (this.#pending === pending) this.#pending = undefined;
    });
    this.#pending = pending;
    return pending;
  }

  /**
   * Fetches the keys, unless that was tried less than 30 seconds ago: whatever tokens come, the issuer is not flooded.
   *
   * @param {number} now
   * @returns {Promise<void> | undefined} nothing when there is nothing to wait for
   */
  refreshUnlessRecent(now) {
    if (this.#pending && this.#share) return this.#pending;
    const last = this.#attemptedAt;
    return last !== undefined && now >= last && now - last < COOL_DOWN_SECONDS ? undefined : this.refresh(now);
  }

  /**
   * The same without anybody to wait for it. A failure shows as `key_not_found` of the tokens, and the next attempt
   * follows after the cool-down.
   *
   * @param {number} now
   */
  refreshInBackground(now) {
    this.refreshUnlessRecent(now)?.catch(() => {});
  }

  /**
   * Whether the keys should be renewed: after their age, because a withdrawn one might be among them; at once if they
   * were given and never fetched, because nobody knows how old they are.
   *
   * @param {number} now
   */
  isStale(now) {
    return this.#loadedAt === undefined || now - this.#loadedAt >= this.#maxAgeSeconds;
  }

  /**
   * Whether renewing the keys has failed for so long that they are not to be used any more. Counted from the first
   * failure, not from the last success: a program that was idle over night has not failed.
   *
   * @param {number} now
   */
  isTooStale(now) {
    return this.#failingSince !== undefined && now - this.#failingSince >= this.#maxStaleSeconds;
  }

  /** @param {number} now */
  async #load(now) {
    try {
      await this.#accept(await this.#get());
    } catch (error) {
      this.#failingSince ??= now;
      throw error;
    }
    this.#loadedAt = now;
    this.#failingSince = undefined;
  }

  async #get() {
    try {
      // Looked up at each call, so that a page or a test that replaces it is respected.
      const fetchKeys = this.#fetch ?? globalThis.fetch;
      const response = await fetchKeys(this.#url.href, {
        headers: { accept: "application/jwk-set+json, application/json" },
        // Keys that come from elsewhere than configured are not the issuer's.
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
      });
      if (response.status !== 200) throw new Error(`status ${response.status}`);
      return await readText(response);
    } catch (cause) {
      throw new KeysError("keys_unavailable", `the key set cannot be fetched from ${this.#url.origin}`, { cause });
    }
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

/**
 * Reads a body that is at most as large as a key set may be, counting while reading.
 *
 * @param {Response} response
 */
async function readText(response) {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let size = 0;
  if (!response.body) return text;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > MAX_JWKS_BYTES) {
      await reader.cancel();
      throw new Error("more than 64 KiB");
    }
    text += decoder.decode(value, { stream: true });
  }
}
