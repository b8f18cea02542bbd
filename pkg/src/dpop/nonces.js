import { check, checkNames, clock, wholeNumber } from "../check.js";
import { decodeBase64url, encodeBase64url } from "../jws/base64url.js";

const MAC = { name: "HMAC", hash: "SHA-256" };
/** Half of HMAC-SHA-256: as many bits as anybody can hope to guess (RFC 2104 §5). */
const TAG_BYTES = 16;

/**
 * Nonces that a server can check without having kept them (RFC 9449 §9): the number of a period, and its MAC. All
 * servers with the same secret accept each other's. A nonce is accepted during its period and the next.
 *
 * @param {{ secret: Uint8Array, periodSeconds?: number, now?: () => number }} options
 */
export function createDpopNonces(options) {
  checkNames(options, ["secret", "periodSeconds", "now"]);
  const { secret } = options;
  check(secret instanceof Uint8Array && secret.length >= 32, "secret", "must be a Uint8Array of at least 32 bytes");
  const periodSeconds = wholeNumber(options, "periodSeconds", { min: 10, max: 3600, otherwise: 120 });
  const now = clock(options.now);
  const kept = secret.slice();
  /** @type {CryptoKey | undefined} kept, not the promise of it: a request must not wait for another one's */
  let imported;
  const key = async () => (imported ??= await crypto.subtle.importKey("raw", kept, MAC, false, ["sign", "verify"]));
  const period = () => Math.floor(now() / periodSeconds);

  return {
    /** The nonce of this period. */
    async current() {
      const number = numbered(period());
      const tag = await crypto.subtle.sign(MAC, await key(), number);
      return encodeBase64url(new Uint8Array([...number, ...new Uint8Array(tag, 0, TAG_BYTES)]));
    },

    /** Whether a nonce is of this period or of the one before. @param {string} nonce */
    async accepts(nonce) {
      const bytes = decodeBase64url(nonce);
      if (bytes?.length !== 8 + TAG_BYTES) return false;
      const at = Number(new DataView(bytes.buffer).getBigUint64(0));
      const age = period() - at;
      if (age !== 0 && age !== 1) return false;
      const tag = new Uint8Array(await crypto.subtle.sign(MAC, await key(), numbered(at)), 0, TAG_BYTES);
      // Every byte is compared, wherever they differ.
      return bytes.subarray(8).reduce((difference, byte, index) => difference | (byte ^ (tag[index] ?? 0)), 0) === 0;
    },
  };
}

/** @param {number} period */
function numbered(period) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(period));
  return bytes;
}
