import type { Claims } from "../index.js";
import type { AnyClaims, ClaimsOf, Refusal, RequestLike, RouteOptions, TokenVerifier } from "./types.js";

export type { Problem, Refusal, RequestLike, RouteOptions, TokenVerifier } from "./types.js";

/** What a guard says of a request: either its claims, or the response to give instead. */
export type Guarded<C, H = Readonly<Record<string, string>>> =
  | {
      readonly claims: C;
      /** To be set in the response: the nonce for the next proof, if it changes; cookies, if they are new. */
      readonly headers: H;
      readonly response?: undefined;
    }
  | { readonly response: Response; readonly claims?: undefined; readonly headers?: undefined };

/**
 * Makes the guard of a route.
 *
 * ```js
 * const guard = createGuard(verifier, { requires: ["docs:write"] });
 * const { claims, response } = await guard(request);
 * if (response) return response;
 * ```
 *
 * @throws {ConfigurationError} naming the option that is wrong
 */
export function createGuard<C extends AnyClaims = Claims, const O extends RouteOptions<C> = {}>(
  verifier: TokenVerifier<C>,
  options?: O & RouteOptions<C>,
): (request: Request) => Promise<Guarded<ClaimsOf<C, O>>>;

/** The judge that all adapters are made of, for frameworks that have none. */
export function createAuthenticator<C extends AnyClaims = Claims, const O extends RouteOptions<C> = {}>(
  verifier: TokenVerifier<C>,
  options?: O & RouteOptions<C>,
): (
  request: RequestLike,
) => Promise<{ claims: ClaimsOf<C, O>; headers: Record<string, string>; refusal?: undefined } | { refusal: Refusal }>;
