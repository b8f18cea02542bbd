// Where to go after signing in: a path of this origin, or nowhere.

const MOST_CHARACTERS = 2_048;
/** An origin that nobody has, to see what browsers make of a path. */
const HERE = "https://here.invalid";
/** One slash, and printable ASCII without backslashes, which browsers read as slashes. Tabs and line ends they drop. */
const PATH = /^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/;
/** What begins like this names a host to browsers, or to a server that decodes before it redirects. */
const HOST = /^\/(?:[/\\]|%2f|%5c)/i;

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
  // Looked at again when the dots are gone: `/.//evil.example` begins with two slashes then.
  return origin === HERE && !HOST.test(pathname) ? pathname + search + hash : undefined;
}
