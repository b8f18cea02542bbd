// Without WebAssembly: for pages whose content security policy forbids it, or that count bytes. Public keys only, as in
// browsers.
import { createVerifierFactory } from "../webcrypto/verifier.js";

export { AsyncVerifier as Verifier } from "../async-verifier.js";
export { Claims } from "../claims.js";
export { ConfigurationError, KeysError, PermissionError, PosternError, TokenError } from "../errors.js";

export const createVerifier = createVerifierFactory({ allowHmac: false, shareFetch: true });
