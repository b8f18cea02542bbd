import type { RequestHandler } from "express";
import type { Claims } from "../index.js";
import type { AnyClaims, RouteOptions, TokenVerifier } from "./types.js";

export type { Problem, RouteOptions, TokenVerifier } from "./types.js";

declare global {
  namespace Express {
    interface Request {
      /** What the access token says. Behind `authenticate`; nothing if the route is optional and no token came. */
      claims?: Claims;
    }
  }
}

/** Refuses requests without a valid token; `request.claims` has the claims of the others. */
export function authenticate<C extends AnyClaims = Claims>(
  verifier: TokenVerifier<C>,
  options?: RouteOptions<C>,
): RequestHandler;

/** Refuses requests whose claims do not grant all of these permissions. Goes behind `authenticate`. */
export function requires(...permissions: [string, ...string[]]): RequestHandler;

/** Refuses requests whose claims do not have all of these entitlements. Goes behind `authenticate`. */
export function requiresEntitlement(...names: [string, ...string[]]): RequestHandler;
