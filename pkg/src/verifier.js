import { AsyncVerifier } from "./async-verifier.js";
import { readOptions } from "./options.js";
import { Verification } from "./verification.js";
import { WasmJudge } from "./wasm-judge.js";

/** Verifies the access tokens of one issuer. Made by `createVerifier`. */
export class Verifier extends AsyncVerifier {
  #verification;

  /** @param {Verification} verification */
  constructor(verification) {
    super(verification);
    this.#verification = verification;
  }

  /** @param {string} token @param {import("./authentication.js").Demand} [demand] */
  verify(token, demand) {
    return this.#verification.verify(token, demand);
  }
}

/**
 * The `createVerifier` of one build.
 *
 * @param {import("./engine.js").Engine} engine
 * @param {{ allowHmac: boolean, shareFetch?: boolean }} build
 */
export function createVerifierFactory(engine, { allowHmac, shareFetch = true }) {
  return (/** @type {any} */ given) => {
    const options = readOptions(given, { allowHmac });
    return new Verifier(new Verification(new WasmJudge(engine, options), options, shareFetch));
  };
}
