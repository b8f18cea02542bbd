/**
 * A request of Node's `http`, for the authenticator.
 *
 * @param {any} request an `IncomingMessage`
 * @param {string} url as the client sent it: what a router has cut off is part of it
 * @returns {import("./authenticate.js").RequestLike}
 */
export function nodeRequestLike(request, url) {
  // `headers` drops the second of two `Authorization` headers; `headersDistinct` has both.
  const values = request.headersDistinct ?? request.headers;
  return { method: request.method, url, header: (name) => [values[name] ?? []].flat() };
}
