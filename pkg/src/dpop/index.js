// Proof of possession for resource servers (RFC 9449 §4.3, §7): a token that was stolen is of no use without its key.
import { check, checkFunctions, checkNames, clock, texts, wholeNumber } from "../check.js";
import { sha256 } from "../jws/base64url.js";
import { ALGORITHM_NAMES } from "../jws/keys.js";
import { normalAddress, possibleAddresses, readOrigins } from "./address.js";
import { DpopError } from "./errors.js";
import { readProof } from "./proof.js";
import { MemoryReplayStore } from "./replay-store.js";

export { DpopError } from "./errors.js";
export { createDpopNonces } from "./nonces.js";
export { MemoryReplayStore } from "./replay-store.js";

const OPTIONS = ["origin", "algorithms", "maxAgeSeconds", "leewaySeconds", "replayStore", "nonces", "now"];

/** Checks the proofs of requests to this server. Made by `createDpopChecker`. */
export class DpopChecker {
  #origins;
  #maxAgeSeconds;
  #leewaySeconds;
  #replayStore;
  #nonces;
  #now;

  /** @param {any} options */
  constructor(options) {
    checkNames(options, OPTIONS);
    this.#origins = readOrigins(options.origin);
    /** @readonly */
    this.algorithms = Object.freeze(texts(options.algorithms ?? ALGORITHM_NAMES, "algorithms"));
    const areKnown = this.algorithms.every((name) => ALGORITHM_NAMES.includes(name));
    check(areKnown, "algorithms", `must be of ${ALGORITHM_NAMES.join(", ")}`);
    this.#maxAgeSeconds = wholeNumber(options, "maxAgeSeconds", { min: 1, max: 60, otherwise: 60 });
    this.#leewaySeconds = wholeNumber(options, "leewaySeconds", { max: 30, otherwise: 5 });
    const { replayStore = new MemoryReplayStore(), nonces } = options;
    check(typeof replayStore?.claim === "function", "replayStore", "must have the method claim");
    const areNonces = typeof nonces?.current === "function" && typeof nonces?.accepts === "function";
    check(nonces === undefined || areNonces, "nonces", "must have the methods current and accepts");
    checkFunctions(options, ["now"]);
    this.#replayStore = replayStore;
    this.#nonces = nonces;
    this.#now = clock(options.now);
  }

  /**
   * Accepts the proof of a request, or says why not. To be called after the token has been verified.
   *
   * The order: the proof itself and its signature, the key, method, address, time, token, nonce; and last the replay,
   * so that only a proof that is right in everything else is remembered.
   *
   * @param {{ proof: string, method: string, url: string, token: string, thumbprint: string }} request
   * @throws {DpopError}
   */
  async check({ proof, method, url, token, thumbprint }) {
    const read = await readProof(proof, this.algorithms);
    if (read.thumbprint !== thumbprint) throw new DpopError("dpop_key_mismatch");
    if (read.method !== method) throw new DpopError("dpop_method_mismatch");
    const address = normalAddress(read.url);
    if (!address || !possibleAddresses(this.#origins, url).includes(address)) {
      throw new DpopError("dpop_address_mismatch");
    }
    const now = this.#now();
    if (read.issuedAt > now + this.#leewaySeconds) throw new DpopError("dpop_proof_issued_in_future");
    if (read.issuedAt < now - this.#maxAgeSeconds) throw new DpopError("dpop_proof_expired");
    if (read.tokenHash !== (await sha256(token))) throw new DpopError("dpop_token_mismatch");
    const nextNonce = await this.#checkNonce(read.nonce);
    await this.#checkReplay(read, now);
    return { thumbprint, nextNonce };
  }

  /** The nonce for the client's next proof, if it has to change. @param {string | undefined} nonce */
  async #checkNonce(nonce) {
    if (!this.#nonces) return undefined;
    const current = await this.#nonces.current();
    if (nonce === current) return undefined;
    if (nonce === undefined || !(await this.#nonces.accepts(nonce))) throw new DpopError("dpop_nonce_required", current);
    return current;
  }

  /** @param {import("./proof.js").Proof} proof @param {number} now */
  async #checkReplay({ thumbprint, id }, now) {
    // By key, so that nobody can use up the ids of somebody else; hashed, so that all have the same length.
    const key = await sha256(`${thumbprint}.${id}`);
    // A proof from the future is accepted for as much longer.
    const expiresAt = now + this.#maxAgeSeconds + this.#leewaySeconds;
    if ((await this.#replayStore.claim(key, expiresAt, now)) !== true) throw new DpopError("dpop_proof_replayed");
  }
}

/** @param {any} options */
export function createDpopChecker(options) {
  return new DpopChecker(options);
}
