/**
 * A media type in lower case and without its `application/` (RFC 7515 §4.1.9). Only ASCII is lowered: `K` of Kelvin is
 * no `k`.
 *
 * @param {string} type
 */
export function shortType(type) {
  const lower = type.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return lower.startsWith("application/") ? lower.slice(12) : lower;
}
