// For handlers that take a `Request` and return a `Response`: Workers, Deno, Bun, SvelteKit, Remix, Next.js and others.
import { createAuthenticator } from "./authenticate.js";
import { requestLike, responseOf } from "./web-request.js";

/**
 * @param {any} verifier
 * @param {any} [options]
 */
export function createGuard(verifier, options) {
  const authenticate = createAuthenticator(verifier, options);
  return async (/** @type {Request} */ request) => {
    const outcome = await authenticate(requestLike(request));
    if ("refusal" in outcome) return { response: responseOf(outcome.refusal) };
    return { claims: outcome.claims, headers: outcome.headers };
  };
}

export { createAuthenticator };
