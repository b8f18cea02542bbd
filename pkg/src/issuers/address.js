// Where keys may be fetched from: public addresses, by https. A configuration that is wrong, or an issuer's discovery
// document that is hostile, must not turn this server into somebody's way into its own network.
import { ConfigurationError } from "../errors.js";

/** Special networks of IPv4 (RFC 6890 and its registry): first address and length of the prefix. */
const SPECIAL_V4 = networks(
  "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 " +
    "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4",
);
/** Names that stand for this machine or its own network. `metadata.google.internal` is one. */
const LOCAL_NAMES = ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "localdomain"];

/**
 * Reads the address of a key set or of a discovery document.
 *
 * @param {string | URL} value
 * @param {{ option: string, allowLoopback: boolean }} rule
 */
export function readAddress(value, { option, allowLoopback }) {
  const refuse = (/** @type {string} */ reason) => new ConfigurationError(option, reason);
  if (!URL.canParse(String(value))) throw refuse("is not an absolute URL");
  const url = new URL(value);
  if (url.username || url.password) throw refuse("must not contain credentials");
  if (allowLoopback && isLoopbackHost(url.hostname) && /^https?:$/.test(url.protocol)) return url;
  if (url.protocol !== "https:") throw refuse("must be https");
  if (!isPublicHost(url.hostname)) throw refuse("must not be an address of a private network");
  return url;
}

/**
 * Whether a host, as the URL parser writes it, can be a public one. The parser has already turned `0x7f.1`, `2130706433`
 * and `0177.0.0.1` into `127.0.0.1`.
 *
 * @param {string} host
 */
export function isPublicHost(host) {
  if (host.startsWith("[")) return isPublicAddress(host.slice(1, -1));
  if (/^[\d.]+$/.test(host)) return isPublicAddress(host);
  const labels = host.replace(/\.$/, "").split(".");
  // A name without a dot is looked up in the network's own domain.
  return labels.length > 1 && !LOCAL_NAMES.includes(labels.at(-1) ?? "");
}

/**
 * Whether an IP address is one of the public internet.
 *
 * @param {string} address IPv4 with dots, or IPv6 without brackets
 */
export function isPublicAddress(address) {
  if (!address.includes(":")) return isPublicV4(numberOfV4(address));
  const words = wordsOfV6(address);
  if (!words) return false;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = words;
  const last = g * 0x1_0000 + h;
  // IPv4 in disguise: mapped, translated (RFC 6052), and 6to4.
  if ((a | b | c | d | e) === 0 && f === 0xffff) return isPublicV4(last);
  if (a === 0x64 && b === 0xff9b) return (c | d | e | f) === 0 && isPublicV4(last);
  if (a === 0x2002) return isPublicV4(b * 0x1_0000 + c);
  // Of the rest, only 2000::/3 is given out; Teredo, ORCHID and the documentation's networks in it are not.
  const isGlobal = a >= 0x2000 && a <= 0x3fff;
  const isSpecial = (a === 0x2001 && (b < 0x200 || b === 0xdb8)) || (a === 0x3fff && b < 0x1000);
  return isGlobal && !isSpecial;
}

/** @param {string} host */
function isLoopbackHost(host) {
  return host === "localhost" || host === "[::1]" || /^127(\.\d+){3}$/.test(host);
}

/** @param {number} number */
function isPublicV4(number) {
  return !SPECIAL_V4.some(({ first, size }) => number >= first && number < first + size);
}

/** @param {string} text */
function numberOfV4(text) {
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** The eight words of an IPv6 address, in any of its forms. @param {string} text */
function wordsOfV6(text) {
  const plain = text.split("%")[0] ?? "";
  if (!URL.canParse(`http://[${plain}]`)) return undefined;
  const [head = "", tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split("::");
  const words = (/** @type {string} */ part) => (part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16)));
  const [before, after] = [words(head), words(tail ?? "")];
  return [...before, ...new Array(8 - before.length - after.length).fill(0), ...after];
}

/** @param {string} list */
function networks(list) {
  return list.split(" ").map((network) => {
    const [first = "", length] = network.split("/");
    return { first: numberOfV4(first), size: 2 ** (32 - Number(length)) };
  });
}
