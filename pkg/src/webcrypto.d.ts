import type { AsyncVerifier, AuthenticationDemand, Claims, CommonOptions, KeyOptions, JsonWebKeySet } from "./index.js";
import type { PermissionName, PermissionRegistry, RevocationMark, TenantOptions } from "./index.js";

export { Claims, ConfigurationError, KeysError, PermissionError, PosternError, TokenError } from "./index.js";
export type {
  AsyncVerifier,
  AuthenticationDemand,
  JsonWebKeySet,
  KeysErrorCode,
  Payload,
  PermissionName,
  PermissionRegistry,
  RegisteredClaim,
  RevocationMark,
  TenantOptions,
  TokenErrorCode,
} from "./index.js";

/** What `createVerifier` needs: where tokens come from, for whom they are, and the public keys to judge them with. */
export type VerifierOptions<R extends PermissionRegistry = PermissionRegistry> = CommonOptions<R> &
  TenantOptions &
  KeyOptions &
  ({ jwks: JsonWebKeySet | string } | { jwksUrl: string | URL });

/**
 * Makes a verifier that leaves signatures to WebCrypto and needs no WebAssembly. The rules and the refusals are those of
 * the main build.
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

/** Verifies the access tokens of one issuer. Made by `createVerifier`. It has no `verify`: WebCrypto takes its time. */
export declare class Verifier<Name extends string = string> implements AsyncVerifier<Name> {
  private constructor();
  verifyAsync(token: string, demand?: AuthenticationDemand): Promise<Claims<Name>>;
  ready(): Promise<void>;
  refresh(): Promise<void>;
  revoke(mark: RevocationMark): void;
  setRevocations(marks: Iterable<RevocationMark>): void;
}
