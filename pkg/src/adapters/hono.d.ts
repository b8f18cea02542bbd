import type { MiddlewareHandler } from "hono";
import type { Claims } from "../index.js";
import type { AnyClaims, ClaimsOf, RouteOptions, TokenVerifier } from "./types.js";

export type { Problem, RouteOptions, TokenVerifier } from "./types.js";

/** The variables of a context behind `authenticate`. */
export interface Authenticated<C = Claims> {
  Variables: { claims: C };
}

/** Refuses requests without a valid token; `context.get("claims")` has the claims of the others. */
export function authenticate<C extends AnyClaims = Claims, const O extends RouteOptions<C> = {}>(
  verifier: TokenVerifier<C>,
  options?: O & RouteOptions<C>,
): MiddlewareHandler<Authenticated<ClaimsOf<C, O>>>;

/** Refuses requests whose claims do not grant all of these permissions. Goes behind `authenticate`. */
export function requires(...permissions: [string, ...string[]]): MiddlewareHandler;

/** Refuses requests whose claims do not have all of these entitlements. Goes behind `authenticate`. */
export function requiresEntitlement(...names: [string, ...string[]]): MiddlewareHandler;
