// Cloudflare Workers and Vercel Edge: a request must not wait for a fetch that another request started.
import { Issuers } from "./issuers.js";

export * from "./shared.js";

export const createIssuers = (/** @type {any} */ options) => new Issuers(options, { share: false });
