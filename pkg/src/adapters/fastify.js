// Hooks for Fastify 5: for `onRequest`, of a route or of all.
import { createAuthenticator, createEntitlementCheck, createPermissionCheck } from "./authenticate.js";
import { nodeRequestLike } from "./node-request.js";

/**
 * @param {any} verifier
 * @param {any} [options]
 */
export function authenticate(verifier, options) {
  const judge = createAuthenticator(verifier, options);
  return async (/** @type {any} */ request, /** @type {any} */ reply) => {
    const outcome = await judge(nodeRequestLike(request.raw, request.originalUrl));
    if ("refusal" in outcome) return write(reply, outcome.refusal);
    request.claims = outcome.claims;
    reply.headers(outcome.headers);
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
  return async (/** @type {any} */ request, /** @type {any} */ reply) => {
    const refusal = refusalFor(request.claims);
    if (refusal) return write(reply, refusal);
  };
}

/** @param {any} reply @param {import("./refusal.js").Refusal} refusal */
function write(reply, { status, headers, body }) {
  // As bytes, so that Fastify adds no charset: JSON has none.
  return reply.code(status).headers(headers).send(Buffer.from(JSON.stringify(body)));
}
