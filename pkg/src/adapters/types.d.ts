import type { Claims, PosternError } from "../index.js";
import type { DpopChecker } from "../dpop/index.js";

/** What a route can demand of the claims of any verifier. */
export interface AnyClaims {
  readonly payload: Readonly<Record<string, any>>;
}

/** A request of any framework. */
export interface RequestLike {
  readonly method: string;
  /** The address as the client sent it: absolute, or from the path on. */
  readonly url: string;
  /** All values of a header, its name in lower case. Values must not have been joined or dropped. */
  header(name: "authorization" | "dpop"): readonly string[];
}

/** What tokens are verified by: a verifier of `createVerifier`, or the issuers of `createIssuers`. */
export type TokenVerifier<C extends AnyClaims> =
  | { verifyAsync(token: string): Promise<C> }
  | { verify(token: string): C; ready?(): Promise<void> };

/** The permissions that these claims know by name: none for tokens of other issuers. */
export type PermissionOf<C> = C extends Claims<infer Name> ? Name : never;

/** The entitlements that these claims may have: tokens of other issuers have none. */
export type EntitlementOf<C> = C extends Claims<any> ? string : never;

/** The slug of an organization, or all slugs that it has had; nothing if there is no such organization. */
export type MaybeSlug = string | readonly string[] | undefined;

/** What a route demands. */
export interface RouteOptions<C extends AnyClaims = Claims> {
  /**
   * Lets requests without a token pass, with no claims. A token that is bad is refused all the same. Not together with
   * `requires`, `entitlements` or `authorize`: nothing would be demanded of who comes without a token.
   */
  optional?: boolean;
  /** Permissions that the token must all grant: else 403 `permission_denied`. */
  requires?: PermissionOf<C> | readonly PermissionOf<C>[];
  /** Entitlements that the token must all have: else 403 `entitlement_required`. Permissions are asked for first. */
  entitlements?: EntitlementOf<C> | readonly EntitlementOf<C>[];
  /** How long ago the owner may have been authenticated: else 401 `reauthentication_required`, as RFC 9470 has it. */
  maxAuthAgeSeconds?: number;
  /** How strong that must have been, `…:2` being more than one factor: else the same. Tokens of other issuers say it otherwise. */
  acr?: "urn:postern:acr:1" | "urn:postern:acr:2";
  /**
   * Which organization a token may act in (`claims.organization`). Without it none: a token that does is answered with 403
   * `permission_denied`, because its roles and permissions are what the owners of that organization say. A function says
   * the slug, or all slugs, of the organization that the request is for, and other tokens are refused; `true` admits all,
   * for handlers that compare themselves.
   */
  organization?: boolean | ((claims: C, request: RequestLike) => MaybeSlug | Promise<MaybeSlug>);
  /** Any other condition: what is not `true` is answered with 403 `permission_denied`. */
  authorize?: (claims: C) => boolean | Promise<boolean>;
  /** Accepts tokens that are bound to a key, with proofs (RFC 9449). Without it, bound tokens are refused. */
  dpop?: DpopChecker;
  /** Refuses tokens that are not bound to a key. */
  requireDpop?: boolean;
  /** The `realm` of challenges. */
  realm?: string;
}

/** The claims of a route: perhaps none, if it is optional. */
export type ClaimsOf<C, O> = O extends { optional: false } ? C : O extends { optional: boolean } ? C | undefined : C;

/** A refusal in the form of RFC 9457. */
export interface Problem {
  /** `urn:postern:problem:` and the code. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What happened, for programs: a code of the README's table. Stable. */
  readonly code: string;
}

/** An answer that says no, to be written as it is. */
export interface Refusal {
  readonly status: number;
  readonly code: PosternError["code"];
  /** The content type and, for status 401 and 403, the challenge. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Problem;
}
