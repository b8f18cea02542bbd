import { checkNames, wholeNumber } from "../check.js";
import { DpopError } from "./errors.js";

/**
 * Remembers the proofs seen, in the memory of this process alone: other processes and isolates do not know of them.
 *
 * It is bounded. When it is full of proofs that could still be replayed, it refuses new ones rather than forgetting
 * one; only holders of valid tokens can fill it.
 */
export class MemoryReplayStore {
  #capacity;
  /** @type {Map<string, number>} until when each is kept; oldest first, because all are kept equally long */
  #seen = new Map();

  /** @param {{ capacity?: number }} [options] how many proofs are kept, 1 to 1,000,000 */
  constructor(options = {}) {
    checkNames(options, ["capacity"]);
    this.#capacity = wholeNumber(options, "capacity", { min: 1, max: 1_000_000, otherwise: 100_000 });
  }

  /**
   * Whether this is the first time; from now on it is not.
   *
   * @param {string} id
   * @param {number} expiresAt until when to remember it, in seconds since 1970
   * @param {number} now
   */
  claim(id, expiresAt, now) {
    for (const [old, until] of this.#seen) {
      if (until >= now) break;
      this.#seen.delete(old);
    }
    if (this.#seen.has(id)) return false;
    if (this.#seen.size >= this.#capacity) throw new DpopError("dpop_replay_store_full");
    this.#seen.set(id, expiresAt);
    return true;
  }
}
