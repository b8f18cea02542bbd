/** How long after an attempt neither an unknown `kid` nor an age starts another: no tokens make us flood an issuer. */
const COOL_DOWN_SECONDS = 30;

/**
 * The attempts to renew one issuer's keys.
 *
 * They are numbered and their beginnings noted, because answers may come in another order than they were asked for, or
 * never: where a platform ends a fetch with the request that began it, its promise is not even rejected.
 */
export class Renewal {
  /** @type {number | undefined} when the attempt began that brought the keys in use */
  loadedAt;
  /** @type {number | undefined} when the first attempt began since then; nothing while there was none */
  tryingSince;
  /** When the last attempt began that is known to have failed since then. */
  failedAt = -Infinity;
  #load;
  #share;
  #attemptedAt = -Infinity;
  #attempts = 0;
  #inUse = 0;
  /** @type {Promise<void> | undefined} */
  #pending;

  /**
   * @param {() => Promise<() => void>} load fetches keys and reads them; what it gives puts them into use
   * @param {boolean} share whether one request may wait for the fetch of another
   */
  constructor(load, share) {
    this.#load = load;
    this.#share = share;
  }

  /** Whether an attempt is under way that others may wait for. */
  get isShared() {
    return this.#share && this.#pending !== undefined;
  }

  /** @param {number} now */
  hasCooledDown(now) {
    return now < this.#attemptedAt || now - this.#attemptedAt >= COOL_DOWN_SECONDS;
  }

  /**
   * Fetches the keys now, or joins those who do. If that fails, the keys in use stay.
   *
   * @param {number} now
   * @returns {Promise<void>}
   */
  attempt(now) {
    if (this.#share && this.#pending) return this.#pending;
    this.#attemptedAt = now;
    this.tryingSince ??= now;
    const pending = this.#run(now, ++this.#attempts).finally(() => {
      if (this.#pending === pending) this.#pending = undefined;
    });
    this.#pending = pending;
    return pending;
  }

  /** @param {number} now @param {number} number */
  async #run(now, number) {
    try {
      const use = await this.#load();
      // A later attempt has been answered before: these keys may include one that has been withdrawn since.
      if (number < this.#inUse) return;
      use();
    } catch (error) {
      if (number > this.#inUse) this.failedAt = now;
      throw error;
    }
    this.#inUse = number;
    this.loadedAt = now;
    this.tryingSince = undefined;
    this.failedAt = -Infinity;
  }
}
