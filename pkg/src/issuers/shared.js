// What every build exports besides `createIssuers`.
export { ConfigurationError, KeysError, PosternError, TokenError } from "../errors.js";
export { IssuerClaims } from "./claims.js";
export { Issuers } from "./issuers.js";
