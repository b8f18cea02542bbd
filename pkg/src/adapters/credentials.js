// The credentials of a request: one token, presented as bearer (RFC 6750 §2.1) or with a proof (RFC 9449 §7.1).

/** `b64token`: the characters that a token in a header can have (RFC 6750 §2.1). */
const CREDENTIALS = /^(bearer|dpop)(?: +([A-Za-z0-9._~+/-]+=*))?$/i;
/** The schemes by which this package is meant. */
const OURS = /^\s*(bearer|dpop)(\s|,|$)/i;
/** A second credential behind a comma: how servers join headers that came twice. */
const SECOND = /,\s*(bearer|dpop)(\s|,|$)/i;

/**
 * @typedef {{ scheme: "none" } | { scheme: "bearer" | "dpop", token: string } | { refusal: "missing_token" | "credentials_malformed" }} Credentials
 */

/**
 * Reads the `Authorization` headers of a request. Credentials of other schemes are somebody else's and are passed over.
 *
 * @param {readonly string[]} headers
 * @returns {Credentials}
 */
export function readCredentials(headers) {
  if (headers.length > 1) return { refusal: "credentials_malformed" };
  const header = (headers[0] ?? "").trim();
  if (SECOND.test(header)) return { refusal: "credentials_malformed" };
  if (!OURS.test(header)) return { scheme: "none" };
  const found = CREDENTIALS.exec(header);
  if (!found?.[1]) return { refusal: "credentials_malformed" };
  const scheme = found[1].toLowerCase() === "dpop" ? "dpop" : "bearer";
  return found[2] ? { scheme, token: found[2] } : { refusal: "missing_token" };
}
