/** The registry of permissions as the issuer publishes it: which name has which bit. Bits never change. */
export interface PermissionRegistry {
  /** Counts every change ever made. */
  readonly version: number;
  /** The length of every mask in bits: 64, 128, 256 or 512. */
  readonly width: number;
  /** All names ever declared, in the order of their bits. */
  readonly permissions: readonly {
    readonly name: string;
    readonly bit: number;
    /** A tombstone: the name grants nothing any more, and its bit is never given away again. */
    readonly deleted?: boolean;
  }[];
}

/** The names in use of a registry: literal types for one written `as const`, else `string`. */
export type PermissionName<R extends PermissionRegistry> = Exclude<
  R["permissions"][number],
  { readonly deleted: true }
>["name"];

/** A public key set (RFC 7517). Keys that are not for signatures, private ones and shared ones are passed over. */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

/** What tokens are demanded to be, whatever their keys. */
export interface CommonOptions<R extends PermissionRegistry> {
  /** The `iss` that tokens must have, exactly. */
  issuer: string;
  /** The `aud` that tokens must have, or several, of which they must have one. */
  audience: string | readonly string[];
  /** How far the issuer's clock and this one may differ, in seconds, 0 to 120. Default 30. */
  leewaySeconds?: number;
  /** The `typ` that tokens must have. Default `at+jwt` (RFC 9068). */
  tokenType?: string;
  /** The claims that tokens must have besides `iss`, `aud` and `exp`. Default `sub`, `iat`, `jti`, `client_id`. */
  requiredClaims?: readonly RegisteredClaim[];
  /**
   * How long after its issue (`iat`) a token is still believed, whenever it expires, in seconds, 1 to 31,536,000; the
   * leeway comes on top. A token without `iat` is then refused. Default: until it expires.
   */
  maxTokenAgeSeconds?: number;
  /**
   * A token whose `iat` is ahead by more than the leeway is refused: as `token_clock_skew` up to this many seconds, 0
   * to 86,400, and as `token_issued_in_future` beyond. Default 600.
   */
  maxFutureIssueSeconds?: number;
  /**
   * The claim that names the user at issuers that do not use `sub`, such as `uid` or `user_id`: `claims.subject` reads
   * it, and requiring `sub` requires it. No other registered claim. Default `sub`.
   */
  subjectClaim?: string;
  /** The issuer's registry of permissions. Needed by `can` and its kin. */
  permissions?: R;
  /** The clock, in seconds since 1970. Default: the system's. */
  now?: () => number;
}

/**
 * Which tenants' tokens are accepted. Without a word, a token that names a tenant is refused: an issuer that has tenants
 * needs one of these.
 */
export type TenantOptions =
  | {
      /** The tenant (`tid`) that tokens must belong to. */
      tenant?: string;
      anyTenant?: false;
    }
  | {
      tenant?: never;
      /** Accepts tokens of every tenant; the caller then has to compare `claims.tenant`. */
      anyTenant: boolean;
    };

/** Where public keys come from. */
export interface KeyOptions {
  /**
   * The issuer's public keys, as an object or as JSON text. With `jwksUrl` beside it, this is the set to begin with:
   * the first token starts one fetch in the background.
   */
  jwks?: JsonWebKeySet | string;
  /** Where the issuer publishes its keys: `https`, or `http` on localhost. */
  jwksUrl?: string | URL;
  /** After how many seconds fetched keys are renewed, 0 to 86,400. Default 300. */
  jwksMaxAgeSeconds?: number;
  /**
   * For how many seconds keys stay in use while renewing them brings nothing, 0 to 604,800, counted from the first attempt;
   * then tokens are refused with `keys_stale`. Default 3,600.
   */
  jwksMaxStaleSeconds?: number;
  /** Replaces the global `fetch` for the key set. */
  fetch?: typeof fetch;
  /** Keeps a Worker alive for keys that are renewed in the background: that of `cloudflare:workers`. */
  waitUntil?: (work: Promise<unknown>) => void;
}

/** A shared secret instead of public keys, or beside them. */
export interface SecretOptions {
  /** A secret shared with the issuer: at least 32, 48 or 64 bytes by its algorithm. Never in a browser build. */
  hmacSecret?: Uint8Array;
  /** The algorithm of the secret. Default `HS256`. */
  hmacAlgorithm?: "HS256" | "HS384" | "HS512";
  /** The `kid` of the secret. Default `hs256`. */
  hmacKeyId?: string;
}

/** Whether tokens are remembered. */
export interface CacheOptions {
  /**
   * How many accepted tokens are remembered, 0 to 100,000, so that one that comes again costs a look-up. Their claims
   * are then frozen. They stay in memory until newer ones push them out or the keys change. Default 0.
   */
  cacheSize?: number;
}

/** What `createVerifier` needs: where tokens come from, for whom they are, and the keys to judge them with. */
export type VerifierOptions<R extends PermissionRegistry = PermissionRegistry> = CommonOptions<R> &
  TenantOptions &
  KeyOptions &
  SecretOptions &
  CacheOptions &
  ({ jwks: JsonWebKeySet | string } | { jwksUrl: string | URL } | { hmacSecret: Uint8Array });

/**
 * Makes a verifier for the access tokens of one issuer. Make it once, at the top of a program.
 *
 * @throws {ConfigurationError} naming the option that is missing or wrong
 */
export function createVerifier<const R extends PermissionRegistry = PermissionRegistry>(
  options: VerifierOptions<R>,
): Verifier<PermissionName<R>>;

/**
 * The same for a registry that is read at run time: the names are those of the type argument, which
 * `npx postern permissions` writes.
 */
export function createVerifier<Name extends string>(options: VerifierOptions): Verifier<Name>;

/**
 * Compiles the verifier off the calling thread. Optional and only of use in browsers, before the first
 * `createVerifier`, which otherwise compiles on the spot; elsewhere it does nothing.
 */
export function init(): Promise<void>;

/**
 * How the owner of a token must have been authenticated (RFC 9470): a good token of which that is not true is refused with
 * `reauthentication_required`. Asked anew each time, also of tokens that are remembered.
 */
export interface AuthenticationDemand {
  /** How many seconds ago at most (`auth_time`), 0 and more, exactly: no leeway is added. A token that does not say is refused. */
  maxAuthAgeSeconds?: number;
  /** How strongly at least (`acr`): with one factor, or with more than one. */
  acr?: "urn:postern:acr:1" | "urn:postern:acr:2";
}

/** Verifies the access tokens of one issuer. Made by `createVerifier`. */
export declare class Verifier<Name extends string = string> implements AsyncVerifier<Name> {
  private constructor();
  /**
   * Verifies a token, synchronously and without network.
   *
   * With `jwksUrl`, a token of an unknown key, or keys older than `jwksMaxAgeSeconds`, start a fetch in the
   * background, at most one in 30 seconds; this call does not wait for it.
   *
   * @throws {TokenError} when the token is not to be trusted: answer 401
   * @throws {KeysError} `keys_not_loaded` when `ready` has not been awaited: answer 503; `algorithm_needs_async` when
   *   the token's key is RSA or ECDSA: use `verifyAsync`
   * @throws {ConfigurationError} when the demand makes no sense
   */
  verify(token: string, demand?: AuthenticationDemand): Claims<Name>;
  verifyAsync(token: string, demand?: AuthenticationDemand): Promise<Claims<Name>>;
  ready(): Promise<void>;
  refresh(): Promise<void>;
  revoke(mark: RevocationMark): void;
  setRevocations(marks: Iterable<RevocationMark>): void;
}

/** What every verifier can do, also one that leaves all signatures to WebCrypto. */
export interface AsyncVerifier<Name extends string = string> {
  /**
   * Verifies a token by the same rules as `verify`, with keys of every algorithm: RSA and ECDSA signatures are checked
   * by WebCrypto. Needs no `ready`: it fetches the keys if there are none, and waits for one fetch, at most one in 30
   * seconds, when it does not know the token's key, or when its keys are older than `jwksMaxAgeSeconds`.
   *
   * Rejects with a {@link TokenError} when the token is not to be trusted, and with a {@link KeysError} when there are
   * no keys to judge it with.
   */
  verifyAsync(token: string, demand?: AuthenticationDemand): Promise<Claims<Name>>;
  /** Resolves when there are keys; fetches them from `jwksUrl` if there are none. Rejects with a {@link KeysError}. */
  ready(): Promise<void>;
  /** Fetches the keys from `jwksUrl` now. If that fails, the keys in use stay. Rejects with a {@link KeysError}. */
  refresh(): Promise<void>;
  /**
   * Refuses tokens from now on though they have not expired: those of a session with `token_revoked`, those of an
   * account below a version with `token_stale`. Marks are never taken back; 100,000 are kept.
   *
   * @throws {ConfigurationError} for what is no mark, and for one too many
   */
  revoke(mark: RevocationMark): void;
  /** Replaces all marks by these. @throws {ConfigurationError} the marks of before then stay */
  setRevocations(marks: Iterable<RevocationMark>): void;
}

/** What has been revoked: a session (`sid`), or the tokens of an account (`sub`) that are older than a version (`av`). */
export type RevocationMark = (
  | { readonly sessionId: string; readonly subject?: never; readonly accountVersion?: never }
  | { readonly subject: string; readonly accountVersion: number; readonly sessionId?: never }
) & {
  /** When the last token that it hits has expired, in seconds since 1970: the mark may then be forgotten. Default: in a day. */
  readonly until?: number;
};

/** What a verified token says. */
export declare class Claims<Name extends string = string> {
  private constructor();
  /** The claims that Postern does not register, by name. */
  readonly custom: Readonly<Record<string, unknown>>;
  /** The payload under its registered names, custom claims included. */
  readonly payload: Payload;
  /** `sub`, or the claim that `subjectClaim` names: the account. */
  readonly subject: string;
  /** `sid`: the session. */
  readonly sessionId: string | undefined;
  /** `jti`: the token itself. */
  readonly tokenId: string | undefined;
  /** `client_id`: the application that the token was issued to. */
  readonly clientId: string | undefined;
  /** `tid`: the tenant. */
  readonly tenant: string | undefined;
  /** `iss`: the issuer. */
  readonly issuer: string;
  /** `aud`: for whom the token is, always as an array. */
  readonly audience: readonly string[];
  /** `iat`: when the token was issued, in seconds since 1970. */
  readonly issuedAt: number | undefined;
  /** `exp`: when the token expires, in seconds since 1970. */
  readonly expiresAt: number;
  /** `av`: the version of the account when the token was issued. */
  readonly accountVersion: number | undefined;
  /** `roles`: the names of the roles. */
  readonly roles: readonly string[];
  /** `org`: the organization that the session acts in. */
  readonly organization: string | undefined;
  /** `ent`: the entitlements. */
  readonly entitlements: readonly string[];
  /** `amr`: how the user proved who they are (RFC 8176). */
  readonly authenticationMethods: readonly string[];
  /** `auth_time`: when they did, in seconds since 1970. */
  readonly authenticatedAt: number | undefined;
  /** `pr`: the version of the registry that the mask was made with. */
  readonly registryVersion: number | undefined;
  /** Whether the mask passes every check. */
  readonly isRoot: boolean;
  /** Whether the account has this role. */
  hasRole(role: string): boolean;
  /** Whether the account has all of these roles; true for none. */
  hasAllRoles(roles: readonly string[]): boolean;
  /** Whether the account has one of these roles; false for none. */
  hasAnyRole(roles: readonly string[]): boolean;
  /** Whether the account had this entitlement when the token was issued. */
  hasEntitlement(name: string): boolean;
  /** Whether the token grants this permission. @throws {PermissionError} `permission_unknown` */
  can(name: Name): boolean;
  /** Whether the token grants all of these; true for none. @throws {PermissionError} `permission_unknown` */
  canAll(names: readonly Name[]): boolean;
  /** Whether the token grants one of these; false for none. @throws {PermissionError} `permission_unknown` */
  canAny(names: readonly Name[]): boolean;
  /** The names that the token grants, in the order of the registry. */
  permissions(): Name[];
  /** The payload. */
  toJSON(): Payload;
}

/** The claims that Postern registers. */
export type RegisteredClaim =
  | "iss" | "sub" | "aud" | "exp" | "nbf" | "iat" | "jti" | "client_id" | "sid" | "tid" | "av" | "pr" | "pm" | "roles"
  | "org" | "ent" | "auth_time" | "acr" | "amr" | "cnf";

/** The payload of a token: the claims that Postern registers, and custom ones. */
export interface Payload {
  readonly iss: string;
  readonly aud: string | readonly string[];
  readonly sub: string;
  readonly exp: number;
  readonly nbf?: number;
  readonly iat?: number;
  readonly jti?: string;
  readonly client_id?: string;
  readonly sid?: string;
  readonly tid?: string;
  readonly av?: number;
  readonly pr?: number;
  readonly pm?: string;
  readonly roles?: readonly string[];
  readonly org?: string;
  readonly ent?: readonly string[];
  readonly amr?: readonly string[];
  readonly auth_time?: number;
  readonly acr?: string;
  readonly cnf?: Readonly<Record<string, unknown>>;
  readonly [custom: string]: unknown;
}

/** Why a token is refused. */
export type TokenErrorCode =
  | "token_too_large"
  | "token_malformed"
  | "header_malformed"
  | "critical_header_unsupported"
  | "token_type_mismatch"
  | "issuer_unknown"
  | "missing_kid"
  | "key_not_found"
  | "algorithm_not_allowed"
  | "signature_invalid"
  | "payload_malformed"
  | "claim_malformed"
  | "claim_missing"
  | "issuer_mismatch"
  | "audience_mismatch"
  | "token_expired"
  | "token_not_yet_valid"
  | "token_issued_in_future"
  | "token_clock_skew"
  | "token_too_old"
  | "tenant_mismatch"
  | "token_revoked"
  | "token_stale"
  | "reauthentication_required";

/** Why there are no keys to judge with. */
export type KeysErrorCode =
  | "keys_not_loaded"
  | "keys_unavailable"
  | "keys_invalid"
  | "keys_stale"
  | "algorithm_needs_async";

/** The base of every error this package throws on purpose. None quotes a token or a key. */
export declare class PosternError extends Error {
  /** What happened, for programs. Stable. */
  readonly code: string;
}

/** The token is not to be trusted: answer 401. */
export declare class TokenError extends PosternError {
  readonly code: TokenErrorCode;
  /** The claim at fault, for `claim_malformed` and `claim_missing`. */
  readonly claim: string | undefined;
}

/** The verifier has no keys, or could not fetch them: answer 503. */
export declare class KeysError extends PosternError {
  readonly code: KeysErrorCode;
}

/** A check asked for a permission that the registry does not have: a mistake in the calling code. */
export declare class PermissionError extends PosternError {
  readonly code: "permission_unknown";
}

/** An option is missing or wrong. */
export declare class ConfigurationError extends PosternError {
  readonly code: "configuration_invalid";
  /** The name of the option. */
  readonly option: string;
}
