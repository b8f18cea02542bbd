import { PosternError } from "../errors.js";

/** The proof of possession is not to be trusted: answer 401, or 503 for `dpop_replay_store_full`. */
export class DpopError extends PosternError {
  /**
   * @param {string} code
   * @param {string} [nonce] the nonce that the next proof must have, for `dpop_nonce_required`
   */
  constructor(code, nonce) {
    super(code, `proof refused: ${code}`);
    this.name = "DpopError";
    /** @readonly */
    this.nonce = nonce;
  }
}
