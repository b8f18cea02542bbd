// Vercel Edge and kin: as in Cloudflare Workers, with the bundler's mark for "import as a compiled module".
import module from "../verifier.wasm?module";
import { Engine } from "../engine.js";
import { createVerifierFactory } from "../verifier.js";

export * from "./shared.js";

// A request must not wait for a fetch that another request started, so fetches are not shared.
export const createVerifier = createVerifierFactory(new Engine(() => module), { allowHmac: true, shareFetch: false });

export async function init() {}
