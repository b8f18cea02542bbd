import { AsyncVerifier } from "../async-verifier.js";
import { readOptions } from "../options.js";
import { Verification } from "../verification.js";
import { WebCryptoJudge } from "./webcrypto-judge.js";

/**
 * The `createVerifier` of a build without WebAssembly.
 *
 * @param {{ allowHmac: boolean, shareFetch: boolean }} build
 */
export function createVerifierFactory({ allowHmac, shareFetch }) {
  return (/** @type {any} */ given) => {
    const options = readOptions(given, { allowHmac, allowCache: false });
    return new AsyncVerifier(new Verification(new WebCryptoJudge(options), options, shareFetch));
  };
}
