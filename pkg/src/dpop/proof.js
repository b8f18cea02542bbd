import { readCompact, readObject } from "../jws/compact.js";
import { algorithmNamed, foreignMembers, importPublicKey, isSignedBy, thumbprint } from "../jws/keys.js";
import { DpopError } from "./errors.js";

/** The longest proof that is looked at: one with an RSA key of 4,096 bits has about 2,500 bytes. */
const MAX_PROOF_BYTES = 4096;
/** The longest `jti`, in characters. */
const MAX_ID_LENGTH = 256;

/**
 * What an authentic proof says. Its claims are not yet judged.
 *
 * @typedef {object} Proof
 * @property {string} thumbprint of the key that signed it (RFC 7638)
 * @property {string} id `jti`
 * @property {string} method `htm`
 * @property {string} url `htu`
 * @property {number} issuedAt `iat`
 * @property {string | undefined} tokenHash `ath`
 * @property {string | undefined} nonce `nonce`
 */

/**
 * Reads a proof (RFC 9449 §4.2) and checks that it was signed by the key in it.
 *
 * @param {string} text
 * @param {readonly string[]} algorithms the `alg`s that are accepted
 * @returns {Promise<Proof>}
 * @throws {DpopError}
 */
export async function readProof(text, algorithms) {
  const compact = takeApart(text);
  const { header } = compact;
  if (header.typ !== "dpop+jwt") throw new DpopError("dpop_type_mismatch");
  const algorithm = algorithms.includes(header.alg) ? algorithmNamed(header.alg) : undefined;
  if (!algorithm) throw new DpopError("dpop_algorithm_not_allowed");
  const said = /** @type {any} */ (header.jwk)?.alg;
  const members = said === undefined || algorithmNamed(said) === algorithm ? foreignMembers(header.jwk, algorithm) : undefined;
  const key = members && (await importPublicKey(members, algorithm).catch(() => undefined));
  if (!key) throw new DpopError("dpop_key_invalid");
  if (!(await isSignedBy(algorithm, key, compact))) throw new DpopError("dpop_signature_invalid");
  return { ...readClaims(compact.payload), thumbprint: await thumbprint(members) };
}

/** @param {string} text */
function takeApart(text) {
  try {
    return readCompact(text, MAX_PROOF_BYTES);
  } catch {
    throw new DpopError("dpop_proof_malformed");
  }
}

/** @param {Uint8Array} payload */
function readClaims(payload) {
  const { jti, htm, htu, iat, ath, nonce } = readObject(payload) ?? {};
  const isText = (/** @type {unknown} */ value) => typeof value === "string" && value !== "";
  const isComplete = [jti, htm, htu].every(isText) && typeof iat === "number" && Number.isFinite(iat);
  const isOptional = [ath, nonce].every((value) => value === undefined || isText(value));
  if (!isComplete || !isOptional || /** @type {string} */ (jti).length > MAX_ID_LENGTH) {
    throw new DpopError("dpop_proof_malformed");
  }
  return /** @type {Omit<Proof, "thumbprint">} */ ({ id: jti, method: htm, url: htu, issuedAt: iat, tokenHash: ath, nonce });
}
