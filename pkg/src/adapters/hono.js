// Middleware for Hono 4.
import { createAuthenticator, createEntitlementCheck, createPermissionCheck } from "./authenticate.js";
import { requestLike, responseOf } from "./web-request.js";

/**
 * @param {any} verifier
 * @param {any} [options]
 * @returns {import("hono").MiddlewareHandler}
 */
export function authenticate(verifier, options) {
  const judge = createAuthenticator(verifier, options);
  return async (context, next) => {
    const outcome = await judge(requestLike(context.req.raw));
    if ("refusal" in outcome) return responseOf(outcome.refusal);
    context.set("claims", outcome.claims);
    await next();
    // Afterwards, because a handler may return a response of its own, which has no headers of the context.
    for (const [name, value] of Object.entries(outcome.headers)) context.header(name, value);
  };
}

/**
 * @param {...string} permissions
 * @returns {import("hono").MiddlewareHandler}
 */
export function requires(...permissions) {
  return behind(createPermissionCheck(permissions));
}

/**
 * @param {...string} names
 * @returns {import("hono").MiddlewareHandler}
 */
export function requiresEntitlement(...names) {
  return behind(createEntitlementCheck(names));
}

/**
 * @param {(claims: any) => import("./refusal.js").Refusal | undefined} refusalFor
 * @returns {import("hono").MiddlewareHandler}
 */
function behind(refusalFor) {
  return async (context, next) => {
    const refusal = refusalFor(context.get("claims"));
    if (refusal) return responseOf(refusal);
    await next();
  };
}
