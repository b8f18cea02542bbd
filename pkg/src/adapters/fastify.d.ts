import type { onRequestAsyncHookHandler } from "fastify";
import type { Claims } from "../index.js";
import type { AnyClaims, RouteOptions, TokenVerifier } from "./types.js";

export type { Problem, RouteOptions, TokenVerifier } from "./types.js";

declare module "fastify" {
  interface FastifyRequest {
    /** What the access token says. Behind `authenticate`; nothing if the route is optional and no token came. */
    claims?: Claims;
  }
}

/** A hook for `onRequest` that refuses requests without a valid token; `request.claims` has the claims of the others. */
export function authenticate<C extends AnyClaims = Claims>(
  verifier: TokenVerifier<C>,
  options?: RouteOptions<C>,
): onRequestAsyncHookHandler;

/** A hook that refuses requests whose claims do not grant all of these permissions. Goes behind `authenticate`. */
export function requires(...permissions: [string, ...string[]]): onRequestAsyncHookHandler;

/** A hook that refuses requests whose claims do not have all of these entitlements. Goes behind `authenticate`. */
export function requiresEntitlement(...names: [string, ...string[]]): onRequestAsyncHookHandler;
