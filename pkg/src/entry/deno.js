// Deno: the module is inlined, because reading a file would need a permission.
import { Engine } from "../engine.js";
import { compile } from "../inlined.js";
import { createVerifierFactory } from "../verifier.js";

export * from "./shared.js";

export const createVerifier = createVerifierFactory(new Engine(compile), { allowHmac: true });

export async function init() {}
