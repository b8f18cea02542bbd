import { check, isText } from "../check.js";

/**
 * Origins whose pages may change something by cookie, beside the request's own.
 *
 * @param {any} [origins]
 * @returns {readonly string[]}
 */
export function readOrigins(origins = []) {
  const isOrigin = (/** @type {any} */ one) => isText(one) && URL.canParse(one) && new URL(one).origin === one;
  check(Array.isArray(origins) && Array.from(origins).every(isOrigin), "origins", "must be an array of origins");
  return origins;
}
