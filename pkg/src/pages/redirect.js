// Where to go after signing in: a path of this origin, or nowhere.

const MOST_CHARACTERS = 2_048;
/** An origin that nobody has, to see what browsers make of a path. */
const HERE = "https://here.invalid";
/** The most often that a server decodes what it redirects to, and then some. */
const MOST_DECODINGS = 4;
/** One slash, and printable ASCII without backslashes, which browsers read as slashes. Tabs and line ends they drop. */
const PATH = /^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/;

/**
 * The path if browsers stay at this origin with it, as they write it; otherwise the fallback.
 *
 * @param {unknown} target
 * @param {string} [fallback]
 */
export function safeRedirect(target, fallback = "/") {
  return ownPath(target) ?? fallback;
}

/**
 * @param {unknown} target
 * @returns {string | undefined}
 */
export function ownPath(target) {
  if (typeof target !== "string" || target.length > MOST_CHARACTERS || !PATH.test(target) || !URL.canParse(target, HERE)) return undefined;
  const { origin, pathname, search, hash } = new URL(target, HERE);
  return origin === HERE && staysHere(pathname) ? pathname + search + hash : undefined;
}

/**
 * Whether a path names no host, to browsers and to a server that decodes it before it redirects. Without its dots,
 * `/.//evil.example` begins with two slashes.
 *
 * @param {string} pathname
 */
function staysHere(pathname) {
  let path = pathname;
  for (let time = 0; time < MOST_DECODINGS; time += 1) {
    const url = URL.canParse(path, HERE) ? new URL(path, HERE) : undefined;
    if (url?.origin !== HERE || url.pathname.startsWith("//")) return false;
    const decoded = path.replace(/%[0-9a-f]{2}/gi, (octet) => String.fromCharCode(Number.parseInt(octet.slice(1), 16)));
    if (decoded === path) return true;
    path = decoded;
  }
  return false;
}
