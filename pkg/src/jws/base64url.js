// Strict base64url without padding (RFC 4648 §5): every byte string has exactly one text.

const ALPHABET = /^[A-Za-z0-9_-]*$/;
/** The last characters that leave no bits over, for texts whose length is 2 or 3 beyond a multiple of 4. */
const LAST = { 2: /[AQgw]$/, 3: /[AEIMQUYcgkosw048]$/ };

/**
 * The bytes of a text, or nothing when it is not canonical.
 *
 * @param {unknown} text
 * @returns {Uint8Array<ArrayBuffer> | undefined}
 */
export function decodeBase64url(text) {
  if (typeof text !== "string" || !ALPHABET.test(text)) return undefined;
  const over = text.length % 4;
  if (over === 1 || ((over === 2 || over === 3) && !LAST[over].test(text))) return undefined;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** @param {Uint8Array} bytes */
export function encodeBase64url(bytes) {
  const binary = String.fromCharCode(...bytes);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * The SHA-256 of a text, in base64url: 43 characters.
 *
 * @param {string} text
 */
export async function sha256(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return encodeBase64url(new Uint8Array(digest));
}
