/** What every verifier of an issuer's access tokens can do, whatever checks its signatures. */
export class AsyncVerifier {
  #verification;

  /** @param {import("./verification.js").Verification} verification */
  constructor(verification) {
    this.#verification = verification;
  }

  /** @param {string} token @param {import("./authentication.js").Demand} [demand] */
  verifyAsync(token, demand) {
    return this.#verification.verifyAsync(token, demand);
  }

  /** Resolves when there are keys to verify with; fetches them if there are none. */
  ready() {
    return this.#verification.ready();
  }

  /** Fetches the keys now. */
  refresh() {
    return this.#verification.refresh();
  }

  /** @param {unknown} mark */
  revoke(mark) {
    this.#verification.revoke(mark);
  }

  /** @param {Iterable<unknown>} marks */
  setRevocations(marks) {
    this.#verification.setRevocations(marks);
  }
}
