// What may be asked of the owner's authentication (RFC 9470), by a route or by whoever verifies one token.
import { check, wholeNumber } from "./check.js";

/** One factor, and more than one: the weaker first. */
const ACRS = ["urn:postern:acr:1", "urn:postern:acr:2"];

/** @typedef {{ maxAuthAgeSeconds?: number, acr?: string }} Demand */

/**
 * Refuses a demand that makes no sense: it would be met by every token, or by none.
 *
 * @param {any} options of which these two are read
 */
export function checkDemand(options) {
  wholeNumber(options, "maxAuthAgeSeconds", { max: 1e9 });
  check(options.acr === undefined || ACRS.includes(options.acr), "acr", `must be one of ${ACRS}`);
}

/**
 * Whether the owner was authenticated as recently and as strongly as that.
 *
 * @param {Demand} demand
 * @param {any} payload
 * @param {number} now in seconds
 */
export function isAuthenticatedAs({ maxAuthAgeSeconds, acr }, payload, now) {
  // What says nothing was never: no comparison with it is true.
  const isRecent = maxAuthAgeSeconds === undefined || now - payload.auth_time <= maxAuthAgeSeconds;
  return isRecent && (acr === undefined || ACRS.indexOf(payload.acr) >= ACRS.indexOf(acr));
}
