// The same in Cloudflare Workers and kin, where a request must not wait for a fetch that another request started.
import { createVerifierFactory } from "../webcrypto/verifier.js";

export { AsyncVerifier as Verifier } from "../async-verifier.js";
export { Claims } from "../claims.js";
export { ConfigurationError, KeysError, PermissionError, PosternError, TokenError } from "../errors.js";

export const createVerifier = createVerifierFactory({ allowHmac: false, shareFetch: false });
