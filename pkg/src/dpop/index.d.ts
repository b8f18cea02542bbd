import { PosternError } from "../index.js";

/** The signature algorithms of proofs. */
export type DpopAlgorithm = "EdDSA" | "Ed25519" | "ES256" | "ES384" | "RS256" | "RS384" | "RS512" | "PS256";

/** Remembers which proofs have been seen. One that several servers share makes each proof count once among them. */
export interface ReplayStore {
  /**
   * Records an id, in one step with looking whether it is there: of two calls at the same time, one says `true`.
   *
   * @param id 43 characters
   * @param expiresAt until when it must be remembered, in seconds since 1970
   * @param now in seconds since 1970
   * @returns `true` the first time. A proof for which the store says otherwise, or throws, is not accepted.
   */
  claim(id: string, expiresAt: number, now: number): boolean | Promise<boolean>;
}

/** Nonces that the server hands out, so that proofs cannot be made in advance (RFC 9449 §9). */
export interface Nonces {
  /** The nonce that the next proof is to have. */
  current(): string | Promise<string>;
  /** Whether a proof may still have this nonce. */
  accepts(nonce: string): boolean | Promise<boolean>;
}

/** What `createDpopChecker` needs. */
export interface DpopOptions {
  /** The origin of this server as clients write it, such as `https://api.example.com`, or several. */
  origin: string | readonly string[];
  /** The algorithms that are accepted. Default: all of `DpopAlgorithm`. */
  algorithms?: DpopAlgorithm | readonly DpopAlgorithm[];
  /** How old a proof may be, in seconds, 1 to 60. Default 60. */
  maxAgeSeconds?: number;
  /** How far ahead the client's clock may be, in seconds, 0 to 30. Default 5. */
  leewaySeconds?: number;
  /** Where the proofs seen are remembered. Default: a `MemoryReplayStore`. */
  replayStore?: ReplayStore;
  /** Demands a nonce in every proof. Default: none is needed. */
  nonces?: Nonces;
  /** The clock, in seconds since 1970. Default: the system's. */
  now?: () => number;
}

/** Makes a checker of proofs of possession. Make it once: it remembers what it has seen. @throws {ConfigurationError} */
export function createDpopChecker(options: DpopOptions): DpopChecker;

/** Checks the proofs of requests to this server. Made by `createDpopChecker`. */
export declare class DpopChecker {
  private constructor();
  /** The algorithms that are accepted. */
  readonly algorithms: readonly DpopAlgorithm[];
  /**
   * Accepts the proof of a request, or throws. To be called after the token has been verified.
   *
   * @throws {DpopError}
   */
  check(request: {
    /** The one `DPoP` header. */
    proof: string;
    method: string;
    /** Absolute, or from the path on. Its origin is not looked at: the client wrote it. */
    url: string;
    /** The access token. */
    token: string;
    /** `cnf.jkt` of the access token. */
    thumbprint: string;
  }): Promise<{
    readonly thumbprint: string;
    /** To be sent as `DPoP-Nonce`, if the client needs a new one. */
    readonly nextNonce: string | undefined;
  }>;
}

/** Remembers proofs in the memory of this process. Full, it refuses new ones rather than forget one. */
export declare class MemoryReplayStore implements ReplayStore {
  /** @param options `capacity`: how many proofs are kept, 1 to 1,000,000. Default 100,000, about 15 MB. */
  constructor(options?: { capacity?: number });
  claim(id: string, expiresAt: number, now: number): boolean;
}

/** Nonces made from a secret: servers with the same one accept each other's, and none is stored. */
export function createDpopNonces(options: {
  /** At least 32 bytes. */
  secret: Uint8Array;
  /** How long a nonce is handed out, in seconds, 10 to 3,600; it is accepted for as long again. Default 120. */
  periodSeconds?: number;
  now?: () => number;
}): Nonces;

/** Why a proof is refused. */
export type DpopErrorCode =
  | "dpop_proof_malformed"
  | "dpop_type_mismatch"
  | "dpop_algorithm_not_allowed"
  | "dpop_key_invalid"
  | "dpop_signature_invalid"
  | "dpop_key_mismatch"
  | "dpop_method_mismatch"
  | "dpop_address_mismatch"
  | "dpop_proof_issued_in_future"
  | "dpop_proof_expired"
  | "dpop_token_mismatch"
  | "dpop_nonce_required"
  | "dpop_proof_replayed"
  | "dpop_replay_store_full";

/** The proof is not to be trusted: answer 401, or 503 for `dpop_replay_store_full`. */
export declare class DpopError extends PosternError {
  readonly code: DpopErrorCode;
  /** The nonce that the next proof must have, for `dpop_nonce_required`. */
  readonly nonce: string | undefined;
}
