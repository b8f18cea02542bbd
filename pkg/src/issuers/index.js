// Browsers, Deno and everything else: requests share a fetch, and nobody says what address a name stands for.
import { Issuers } from "./issuers.js";

export * from "./shared.js";

export const createIssuers = (/** @type {any} */ options) => new Issuers(options, { share: true });
