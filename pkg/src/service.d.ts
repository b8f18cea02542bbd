/**
 * The types of `env.AUTH` in a Worker that is bound to Postern's entry point `AuthService`. There is no code behind
 * this module: `import type { AuthService } from "postern/service"`.
 */
import type { Payload } from "./index.js";

/** How much is asked before a token counts as good; `inherit` is the deployment's own mode. */
export type ValidationMode = "jwt_only" | "hybrid" | "strict";

/** The values of `acr`: one factor, and more than one. */
export type AuthenticationClass = "urn:postern:acr:1" | "urn:postern:acr:2";

/** What a caller demands of a token, and what it wants to know about it. All of it is optional. */
export interface ValidateOptions<Name extends string = string> {
  /** The tenant whose token it has to be. Required where the deployment has several. */
  readonly tenant?: string | undefined;
  /** Default `inherit`. */
  readonly mode?: ValidationMode | "inherit" | undefined;
  /**
   * Who the caller is: the token must have been issued for this audience, or for one of several. Without it, any
   * audience of the deployment will do.
   */
  readonly audience?: string | readonly string[] | undefined;
  /** Permissions that the token must have, all of them. One that is not declared is `invalid_request`. */
  readonly permissions?: readonly Name[] | undefined;
  /** Whether the answer names the roles. Default true. */
  readonly include_roles?: boolean | undefined;
  /** Whether the answer names the permissions. Default true. */
  readonly include_permissions?: boolean | undefined;
  /** Whether the answer has the session's times, if there is a copy of it at the edge. Default false. */
  readonly details?: boolean | undefined;
  /**
   * How many seconds ago the owner may have been authenticated at most. One of longer ago is `reauthentication_required`, with `max_age` and
   * `acr_values` for `WWW-Authenticate` (RFC 9470).
   */
  readonly max_age?: number | undefined;
  /** How strong that authentication must have been: `…:2` is more than one factor. */
  readonly acr?: AuthenticationClass | undefined;
  /**
   * The network address of the client that presented the token to the caller, such as its `CF-Connecting-IP`. Strict mode
   * compares it with the session's where the deployment binds sessions to their network.
   */
  readonly client_ip?: string | null | undefined;
  /** The `User-Agent` of that client, likewise. */
  readonly client_user_agent?: string | null | undefined;
  /**
   * The key that the token came with, of a request with `Authorization: DPoP`: its proof, to be checked here, with method and
   * address of that request; or the thumbprint of the key of which the caller has checked a proof. A token that is bound to a
   * key is `token_bound` without.
   */
  readonly dpop?: { readonly proof: string; readonly method: string; readonly url: string } | { readonly thumbprint: string } | null | undefined;
}

/** The token is good. */
export interface Valid<Name extends string = string> {
  readonly ok: true;
  readonly active: true;
  /** The mode that was used. */
  readonly mode: ValidationMode;
  readonly account_id: string;
  readonly session_id: string;
  readonly tenant: string;
  readonly roles?: readonly string[];
  /** The names of all permissions that the token has. */
  readonly permissions?: readonly Name[];
  /** The payload of the token. */
  readonly claims: Payload;
  /** Milliseconds since 1970. */
  readonly session?: { readonly created_at: number; readonly expires_at: number };
}

/**
 * The token is not good, or could not be checked: a problem document (RFC 9457). Answer with its `status`: 401 and 403
 * are about the token, 400 about the question, 500 and 503 about the service, and none of them admits anybody.
 */
export interface Refused {
  readonly ok: false;
  /** Stable; `docs/http.md` lists them. */
  readonly code: string;
  readonly status: 400 | 401 | 403 | 413 | 500 | 503;
  readonly type: string;
  readonly title: string;
  /** To find the call in the service's logs. */
  readonly request_id: string;
  /** With `reauthentication_required`: what was demanded. */
  readonly max_age?: number;
  readonly acr_values?: AuthenticationClass;
  /** With `invalid_request`: what is wrong with the question. */
  readonly errors?: readonly { readonly field: string; readonly rule: string }[];
}

/** Postern's entry point for other Workers. */
export interface AuthService<Name extends string = string> {
  /** Asks about an access token. Every outcome is a value; only a binding that cannot be reached rejects. */
  validate(token: string, options?: ValidateOptions<Name>): Promise<Valid<Name> | Refused>;
}
