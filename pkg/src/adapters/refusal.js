// What a refused client is told: a problem (RFC 9457) with a stable code, and a challenge (RFC 6750 §3, RFC 9449 §7.1).
import { KeysError, TokenError } from "../errors.js";
import { DpopError } from "../dpop/errors.js";

const TITLES = /** @type {Record<number, string>} */ ({
  400: "The credentials cannot be read",
  401: "A valid access token is required",
  403: "A required permission is missing",
  503: "The access token cannot be judged at present",
});

/** Titles of single refusals, where that of the status says something else. */
const OWN_TITLES = new Map(Object.entries({ entitlement_required: "Something that has to be bought or given is missing" }));

/** The refusals that are neither a token's, a proof's nor the keys': status and `error` of the challenge. */
const OWN = new Map(
  Object.entries({
    // Who presents nothing is told nothing but how to (RFC 6750 §3.1).
    missing_token: { status: 401, error: undefined },
    credentials_malformed: { status: 400, error: "invalid_request" },
    scheme_unsupported: { status: 401, error: undefined },
    dpop_required: { status: 401, error: undefined },
    dpop_proof_missing: { status: 401, error: "invalid_dpop_proof" },
    dpop_proof_malformed: { status: 401, error: "invalid_dpop_proof" },
    token_bound: { status: 401, error: "invalid_token" },
    token_not_bound: { status: 401, error: "invalid_token" },
    reauthentication_required: { status: 401, error: "insufficient_user_authentication" },
    permission_denied: { status: 403, error: "insufficient_scope" },
    entitlement_required: { status: 403, error: "insufficient_scope" },
  }),
);

/**
 * An answer that says no, for any framework to write.
 *
 * @typedef {object} Refusal
 * @property {number} status
 * @property {string} code
 * @property {Record<string, string>} headers
 * @property {{ type: string, title: string, status: number, code: string }} body of `application/problem+json`
 */

/**
 * Which challenges a route makes.
 *
 * @typedef {object} Challenge
 * @property {readonly ("Bearer" | "DPoP")[]} schemes the ones that the route accepts
 * @property {string | undefined} realm
 * @property {readonly string[]} algorithms of proofs
 */

/**
 * @param {string} code
 * @param {Challenge} challenge
 * @param {{ scheme?: string, scope?: readonly string[], demand?: { maxAuthAgeSeconds?: number, acr?: string } }} [more] the scheme
 *   that was used, the permissions needed, and what another authentication has to be (RFC 9470)
 * @returns {Refusal}
 */
export function refusal(code, challenge, more = {}) {
  const { status, error } = OWN.get(code) ?? { status: 401, error: "invalid_token" };
  return answer(code, status, { "www-authenticate": challenges(challenge, { ...more, error, code }) });
}

/**
 * The refusal for an error of a verifier or of a proof check; nothing for any other error, which is nobody's fault but
 * the program's.
 *
 * @param {unknown} error
 * @param {Challenge} challenge
 * @param {string} scheme
 * @returns {Refusal | undefined}
 */
export function refusalOf(error, challenge, scheme) {
  if (error instanceof TokenError) return refusal(error.code, challenge, { scheme });
  const isFull = error instanceof DpopError && error.code === "dpop_replay_store_full";
  if (error instanceof KeysError || isFull) return answer(error.code, 503, { "retry-after": "5" });
  return error instanceof DpopError ? refusalOfProof(error, challenge) : undefined;
}

/** @param {DpopError} refused @param {Challenge} challenge @returns {Refusal} */
function refusalOfProof({ code, nonce }, challenge) {
  const error = nonce !== undefined ? "use_dpop_nonce" : code === "dpop_key_mismatch" ? "invalid_token" : "invalid_dpop_proof";
  const headers = { "www-authenticate": challenges(challenge, { scheme: "DPoP", error, code }) };
  return answer(code, 401, nonce === undefined ? headers : { ...headers, "dpop-nonce": nonce });
}

/**
 * @param {string} code
 * @param {number} status
 * @param {Record<string, string>} headers
 * @param {string} [title]
 * @returns {Refusal}
 */
export function answer(code, status, headers, title = OWN_TITLES.get(code) ?? TITLES[status] ?? "") {
  const body = { type: `urn:postern:problem:${code}`, title, status, code };
  return { status, code, headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers }, body };
}

/**
 * One challenge for each scheme. The error belongs to the scheme that the client used.
 *
 * @param {Challenge} challenge
 * @param {{ scheme?: string, scope?: readonly string[], demand?: { maxAuthAgeSeconds?: number, acr?: string }, error: string | undefined, code: string }} refused
 */
function challenges({ schemes, realm, algorithms }, { scheme, scope, demand, error, code }) {
  const used = schemes.find((name) => name.toLowerCase() === scheme?.toLowerCase()) ?? schemes[0];
  return schemes
    .map((name) => {
      const parameters = [];
      if (realm !== undefined) parameters.push(["realm", realm]);
      if (error !== undefined && name === used) {
        parameters.push(["error", error], ["error_description", code]);
        if (scope?.length) parameters.push(["scope", scope.join(" ")]);
        if (demand?.maxAuthAgeSeconds !== undefined) parameters.push(["max_age", String(demand.maxAuthAgeSeconds)]);
        if (demand?.acr !== undefined) parameters.push(["acr_values", demand.acr]);
      }
      if (name === "DPoP") parameters.push(["algs", algorithms.join(" ")]);
      return [name, parameters.map(([key, value]) => `${key}="${value}"`).join(", ")].filter(Boolean).join(" ");
    })
    .join(", ");
}
