import type { Claims } from "../index.js";
import type { Guarded } from "../adapters/guard.js";
import type { AnyClaims, ClaimsOf, RouteOptions, TokenVerifier } from "../adapters/types.js";

export type { Problem, RouteOptions, TokenVerifier } from "../adapters/types.js";

/** What a page demands, and where who is not signed in goes. */
export interface PageOptions<C extends AnyClaims = Claims> extends RouteOptions<C> {
  /** Where one signs in: `/login` by default. It gets the page that was asked for as `?redirect=`. */
  loginPath?: string;
  /** Origins whose pages may change something by cookie, beside the request's own. */
  origins?: readonly string[];
  /**
   * Asks Postern for the next access token when this one is over: fetches the request that it gets, such as
   * `(request) => env.POSTERN.fetch(request)`. Without it, who comes after five minutes is sent to `loginPath`.
   */
  renew?: (request: Request) => Promise<Response>;
}

/**
 * Makes the guard of a page for who is signed in, by cookie or by bearer token. Browsers that open a page are redirected to
 * `loginPath`; who asks otherwise gets the problem.
 *
 * @throws {ConfigurationError} naming the option that is wrong
 */
export function createPageGuard<C extends AnyClaims = Claims, const O extends PageOptions<C> = {}>(
  verifier: TokenVerifier<C>,
  options?: O & PageOptions<C>,
): (request: Request) => Promise<Guarded<ClaimsOf<C, O>, Headers>>;

/**
 * Makes the guard of a page for who is not signed in: others are redirected to `?redirect=`, if that is a path of this origin,
 * or to `homePath`.
 */
export function createGuestGuard<C extends AnyClaims = Claims>(
  verifier: TokenVerifier<C>,
  options?: { homePath?: string },
): (request: Request) => Promise<{ readonly response?: Response }>;

/** Why Postern, or what asks it, said no: a code of the HTTP API's, and what else it says. */
export interface SignInProblem {
  readonly status: number;
  readonly code: string;
  readonly errors?: readonly { readonly field: string; readonly rule: string }[];
  readonly retryAfterSeconds?: number;
}

/** A login that waits for its second factor. */
export interface SignInChallenge {
  readonly challenge: string;
  /** By what it can be answered, such as `totp`. */
  readonly methods: readonly string[];
  readonly expiresInSeconds: number;
  /** The account has no second factor yet, and has to set one up with this challenge. */
  readonly enrolmentRequired?: true;
}

/** What became of signing in: cookies for the browser, a challenge, or a refusal. */
export type SignedIn =
  | {
      readonly headers: Headers;
      /** Said this once: the codes of a second factor that was set up on the way in. */
      readonly backupCodes?: readonly string[];
      /** Said this once: the secret of a device that is trusted from now on. */
      readonly deviceToken?: string;
      readonly challenge?: undefined;
      readonly problem?: undefined;
    }
  | { readonly challenge: SignInChallenge; readonly headers?: undefined; readonly problem?: undefined }
  | { readonly problem: SignInProblem; readonly headers?: undefined; readonly challenge?: undefined };

/** Signing in and out from forms that the application serves. */
export interface PageSignIn {
  /** Signs in with a password: `{ email, password }`, or whatever the route `login` takes. */
  attempt(request: Request, credentials: Readonly<Record<string, unknown>>): Promise<SignedIn>;
  /** Answers a challenge: `{ challenge, code }`, or whatever the route `2fa/verify` takes. */
  answer(request: Request, factor: Readonly<Record<string, unknown>>): Promise<SignedIn>;
  /** Ends the session of the request; the headers take its cookies away. */
  logout(request: Request): Promise<
    | { readonly headers: Headers; readonly problem?: undefined }
    | { readonly problem: SignInProblem; readonly headers?: undefined }
  >;
  /** The profile of who is signed in, as the route `me` shows it; nothing if nobody is. */
  user(request: Request): Promise<{ readonly user?: Readonly<Record<string, any>>; readonly problem?: SignInProblem }>;
}

/**
 * Makes forms that sign in and out, on pages that the application serves itself. They are taken from own pages alone.
 *
 * @throws {ConfigurationError} naming the option that is wrong
 */
export function createPageSignIn(options: {
  /** Asks Postern: fetches the request that it gets, such as `(request) => env.POSTERN.fetch(request)`. */
  send: (request: Request) => Promise<Response>;
  /** Origins whose pages may sign in and out, beside the request's own. */
  origins?: readonly string[];
}): PageSignIn;

/**
 * A path of this origin, as browsers write it, or the fallback (`/`) for whatever leads, or might lead, elsewhere: absolute
 * URLs, two slashes, backslashes, control characters, anything but printable ASCII.
 */
export function safeRedirect(target: unknown, fallback?: string): string;

/** How data of visitors is kept. */
export interface PageDataOptions {
  /** 1 to 4 keys of 32 random bytes. The first seals, all open: put a new one in front to rotate. */
  secrets: readonly Uint8Array[];
  /** How long data is kept after it was last saved: 2 hours by default. */
  maxAgeSeconds?: number;
  /** The clock: seconds since 1970. */
  now?: () => number;
}

/** Data of one visitor, during one request. */
export interface PageData {
  get(name: string): unknown;
  has(name: string): boolean;
  /** Keeps a value of JSON until it is removed, or the cookie ends. */
  put(name: string, value: unknown): void;
  remove(name: string): void;
  /** Forgets everything, flash values included. */
  clear(): void;
  /** Says something to the next request, and to no other. */
  flash(name: string, value: unknown): void;
  /** What the request before has said to this one. */
  getFlash(name: string): unknown;
  /** Adds `Set-Cookie` to the headers of the response, if there is anything to say. */
  save(headers: Headers): Promise<void>;
}

/**
 * Keeps data of visitors in a cookie that nobody else reads or changes (AES-256-GCM), at most about 3 KB.
 *
 * @throws {ConfigurationError} naming the option that is wrong
 */
export function createPageData(options: PageDataOptions): {
  /**
   * The data that the request brought; none if it is of another, changed, or too old. What is bound to something, such as
   * `claims.sessionId`, opens with that alone: nobody carries data into another session.
   */
  open(request: Request, boundTo?: string): Promise<PageData>;
};
