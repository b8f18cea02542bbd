// Cloudflare Workers: wasm must be a module of the upload, because compiling bytes at run time is forbidden.
import module from "../verifier.wasm";
import { Engine } from "../engine.js";
import { createVerifierFactory } from "../verifier.js";

export * from "./shared.js";

// A request must not wait for a fetch that another request started, so fetches are not shared.
export const createVerifier = createVerifierFactory(new Engine(() => module), { allowHmac: true, shareFetch: false });

export async function init() {}
