// Middleware for Express, and for whatever else calls functions of a request, a response and `next`.
import { createAuthenticator, createEntitlementCheck, createPermissionCheck } from "./authenticate.js";
import { nodeRequestLike } from "./node-request.js";

/**
 * @param {any} verifier
 * @param {any} [options]
 */
export function authenticate(verifier, options) {
  const judge = createAuthenticator(verifier, options);
  return (/** @type {any} */ request, /** @type {any} */ response, /** @type {(error?: unknown) => void} */ next) => {
    const carry = (/** @type {import("./authenticate.js").Outcome} */ outcome) => {
      if ("refusal" in outcome) return write(response, outcome.refusal);
      request.claims = outcome.claims;
      for (const [name, value] of Object.entries(outcome.headers)) response.setHeader(name, value);
      next();
    };
    judge(nodeRequestLike(request, request.originalUrl ?? request.url)).then(carry).catch(next);
  };
}

/** @param {...string} permissions */
export function requires(...permissions) {
  return behind(createPermissionCheck(permissions));
}

/** @param {...string} names */
export function requiresEntitlement(...names) {
  return behind(createEntitlementCheck(names));
}

/** @param {(claims: any) => import("./refusal.js").Refusal | undefined} refusalFor */
function behind(refusalFor) {
  return (/** @type {any} */ request, /** @type {any} */ response, /** @type {(error?: unknown) => void} */ next) => {
    const refusal = refusalFor(request.claims);
    if (refusal) write(response, refusal);
    else next();
  };
}

/** @param {import("node:http").ServerResponse} response @param {import("./refusal.js").Refusal} refusal */
function write(response, { status, headers, body }) {
  // With Node's own methods, because those of Express add a charset, which JSON has none of.
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(JSON.stringify(body));
}
