// What every build exports besides `createVerifier` and `init`.
export { Claims } from "../claims.js";
export { ConfigurationError, KeysError, PermissionError, PosternError, TokenError } from "../errors.js";
export { Verifier } from "../verifier.js";
