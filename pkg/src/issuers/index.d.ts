import type { JsonWebKeySet } from "../index.js";

export { ConfigurationError, KeysError, PosternError, TokenError } from "../index.js";

/** The algorithms of keys that can be used. */
export type IssuerAlgorithm = "EdDSA" | "Ed25519" | "ES256" | "ES384" | "RS256" | "RS384" | "RS512" | "PS256";

/** A public key in PEM (`BEGIN PUBLIC KEY`). */
export interface PinnedPem {
  pem: string;
  alg: IssuerAlgorithm;
  /** The `kid` of its tokens. Without it, the key stands for tokens of any. */
  kid?: string;
}

/** An issuer whose tokens are accepted. */
export interface IssuerOptions {
  /** The `iss` that its tokens have, exactly: an `https` address. */
  issuer: string;
  /** The `aud` that tokens must have, or several, of which they must have one. */
  audience: string | readonly string[];
  /** Where its keys are. Default: `/.well-known/jwks.json` below the issuer. */
  jwksUrl?: string | URL;
  /** Asks `/.well-known/openid-configuration` below the issuer where its keys are. Default `false`. */
  discover?: boolean;
  /** The algorithms of keys that are used. A key without `alg` has that of its type, RS256 for RSA. Default: all. */
  algorithms?: IssuerAlgorithm | readonly IssuerAlgorithm[];
  /** Keys for tokens without `kid`, and for as long as the published ones cannot be had. */
  pinnedKeys?: JsonWebKeySet | readonly PinnedPem[];
  /** The `typ` that tokens must have, or several. `JWT` includes tokens without any. Default `at+jwt` (RFC 9068). */
  tokenType?: string | readonly string[];
  /** The claims that tokens must have besides `iss`, `aud` and `exp`. Default the subject's and `iat`. */
  requiredClaims?: readonly string[];
  /** The claim that names the user, such as `uid`, where it is not `sub`: `claims.subject` reads it. Default `sub`. */
  subjectClaim?: string;
  /** For how many seconds fetched keys are fresh, 0 to 86,400. Default 300. */
  cacheTtlSeconds?: number;
  /** For how many more they are used while they cannot be renewed, 0 to 86,400. Default 3,600. */
  maxStaleSeconds?: number;
}

/** What `createIssuers` needs. */
export interface IssuersOptions {
  issuers: readonly IssuerOptions[];
  /** How far the issuers' clocks and this one may differ, in seconds, 0 to 120. Default 60. */
  leewaySeconds?: number;
  /** How long a fetch may take, in seconds, 1 to 5. Default 5. */
  timeoutSeconds?: number;
  /** For development: accepts `http` and `https` addresses of this machine. */
  allowLoopback?: boolean;
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch;
  /** Keeps a Worker alive for keys that are renewed in the background: that of `cloudflare:workers`. */
  waitUntil?: (work: Promise<unknown>) => void;
  /** The clock, in seconds since 1970. Default: the system's. */
  now?: () => number;
}

/**
 * Accepts tokens of other issuers. Make it once, at the top of a program: it holds their keys.
 *
 * @throws {ConfigurationError} naming the option that is missing or wrong
 */
export function createIssuers(options: IssuersOptions): Issuers;

/** Verifies the tokens of several issuers. Made by `createIssuers`. */
export declare class Issuers {
  private constructor();
  /**
   * Verifies a token of one of the issuers. Waits for the issuer's keys if there are none yet, or the key is unknown.
   *
   * @throws {TokenError} when the token is not to be trusted: answer 401
   * @throws {KeysError} when there are no keys to judge by: answer 503
   */
  verifyAsync(token: string): Promise<IssuerClaims>;
  /** Fetches keys that are not there yet, and reads the pinned ones. An issuer that is down is no error. */
  ready(): Promise<void>;
}

/** What a verified token of another issuer says. Its claims mean what its issuer says they mean. */
export declare class IssuerClaims {
  private constructor();
  /** The payload, as signed. */
  readonly payload: Readonly<Record<string, any>>;
  /** `iss`. A subject is one only together with its issuer. */
  readonly issuer: string;
  /** `sub`. */
  readonly subject: string;
  /** `aud`, always as an array. */
  readonly audience: readonly string[];
  /** `client_id`, or `azp`. */
  readonly clientId: string | undefined;
  /** `exp`, in seconds since 1970. */
  readonly expiresAt: number;
  /** `iat`, in seconds since 1970. */
  readonly issuedAt: number | undefined;
  /** The names in `scope`, or in `scp`. */
  readonly scopes: readonly string[];
  /** Whether the token has this scope. */
  hasScope(scope: string): boolean;
  /** The payload. */
  toJSON(): Readonly<Record<string, any>>;
}
