// Browsers and everything else: the module is inlined, nothing is fetched. Public keys only: whoever holds a shared
// secret can issue tokens, so this build refuses one.
import { Engine } from "../engine.js";
import { compile, compileAsync } from "../inlined.js";
import { createVerifierFactory } from "../verifier.js";

export * from "./shared.js";

export const createVerifier = createVerifierFactory(new Engine(compile), { allowHmac: false });

export async function init() {
  await compileAsync();
}
