import { TokenError } from "../errors.js";
import { decodeBase64url } from "./base64url.js";
import { readObject as readStrictly } from "./strict-json.js";

const encoder = new TextEncoder();

/**
 * A token in the compact serialization (RFC 7515 §7.1), taken apart. Nothing in it is to be believed yet.
 *
 * @typedef {object} Compact
 * @property {Record<string, unknown> & { alg: string }} header
 * @property {Uint8Array<ArrayBuffer>} payload
 * @property {Uint8Array<ArrayBuffer>} signed what the signature is over
 * @property {Uint8Array<ArrayBuffer>} signature
 */

/**
 * Takes a token apart, in the order of the verifier's refusals: size, parts, header.
 *
 * @param {string} token
 * @param {number} maxBytes
 * @returns {Compact}
 * @throws {TokenError}
 */
export function readCompact(token, maxBytes) {
  if (typeof token !== "string") throw new TokenError("token_malformed");
  if (token.length > maxBytes) throw new TokenError("token_too_large");
  const parts = token.split(".");
  const [head, payload, signature] = parts.map(decodeBase64url);
  if (parts.length !== 3 || !head?.length || !payload?.length || !signature?.length) {
    throw new TokenError("token_malformed");
  }
  const header = readObject(head);
  if (typeof header?.alg !== "string") throw new TokenError("header_malformed");
  for (const name of ["kid", "typ"]) {
    if (header[name] !== undefined && typeof header[name] !== "string") throw new TokenError("header_malformed");
  }
  // No extension is understood, so none may be critical (RFC 7515 §4.1.11).
  if (header.crit !== undefined) throw new TokenError("critical_header_unsupported");
  const signed = encoder.encode(token.slice(0, token.lastIndexOf(".")));
  return { header: /** @type {Compact["header"]} */ (header), payload, signed, signature };
}

/**
 * The JSON object in these bytes, or nothing when they hold anything else, or what two readers could read differently.
 *
 * @param {Uint8Array} bytes
 * @returns {Record<string, unknown> | undefined}
 */
export function readObject(bytes) {
  const read = readStrictly(bytes);
  return read && Object.fromEntries(read.members);
}
