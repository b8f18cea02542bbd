// Which coordinates are a public key. WebCrypto takes some that are none, and finds out at the first signature, or
// never; the rules here are those of `postern_core`, so that both builds refuse the same key sets.

/** The prime of Ed25519's field. */
const P = (1n << 255n) - 19n;
/** The constant of Ed25519's curve (RFC 8032 §5.1), -121665/121666. */
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
/** The y coordinate of points of order 8; the others of small order have its negative, 0, 1 and -1. */
const Y8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;
const SMALL_ORDER = new Set([0n, 1n, P - 1n, Y8, P - Y8]);

/** The curves y² = x³ - 3x + b of SP 800-186 §3.2.1, and the length of their coordinates. */
const WEIERSTRASS = new Map([
  ["P-256", {
    bytes: 32,
    prime: (1n << 256n) - (1n << 224n) + (1n << 192n) + (1n << 96n) - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  }],
  ["P-384", {
    bytes: 48,
    prime: (1n << 384n) - (1n << 128n) - (1n << 96n) + (1n << 32n) - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  }],
]);

/**
 * Whether the bytes are the canonical encoding of a point of Ed25519 (RFC 8032 §5.1.3) that is not of small order:
 * under one of those, signatures can be made without a private key.
 *
 * @param {Uint8Array | undefined} bytes
 */
export function isOnEd25519(bytes) {
  const y = largeOrderY(bytes);
  if (y === undefined) return false;
  // x² = (y² - 1) / (d y² + 1) has a root exactly when numerator times denominator has one (Euler's criterion).
  const square = (y * y) % P;
  return power(((square - 1n) * (D * square + 1n)) % P, (P - 1n) / 2n) === 1n;
}

/**
 * The same but for whether there is such a point, which takes a thousand times as long: under what is none, no signature
 * is ever valid.
 *
 * @param {Uint8Array | undefined} bytes
 */
export function canBeOnEd25519(bytes) {
  return largeOrderY(bytes) !== undefined;
}

/**
 * Whether the big-endian coordinates, in full length, are a point of the curve.
 *
 * @param {unknown} name
 * @param {Uint8Array | undefined} xBytes
 * @param {Uint8Array | undefined} yBytes
 */
export function isOnWeierstrass(name, xBytes, yBytes) {
  const curve = WEIERSTRASS.get(String(name));
  if (!curve || xBytes?.length !== curve.bytes || yBytes?.length !== curve.bytes) return false;
  const [x, y] = [numberOf(xBytes), numberOf(yBytes)];
  const { prime, b } = curve;
  return x < prime && y < prime && (y * y - (x * x * x - 3n * x + b)) % prime === 0n;
}

/** The y coordinate in these bytes, if it is canonical and not of small order. @param {Uint8Array | undefined} bytes */
function largeOrderY(bytes) {
  if (bytes?.length !== 32) return undefined;
  const y = numberOf(bytes.slice().reverse()) & ((1n << 255n) - 1n);
  return y >= P || SMALL_ORDER.has(y) ? undefined : y;
}

/** @param {Uint8Array} bytes big-endian */
function numberOf(bytes) {
  return BigInt(`0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`);
}

/**
 * @param {bigint} base
 * @param {bigint} exponent
 */
function power(base, exponent) {
  let result = 1n;
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % P;
    base = (base * base) % P;
  }
  return result;
}
