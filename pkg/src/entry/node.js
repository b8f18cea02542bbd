// Node and Bun: the module lies beside this file and is read at the first use, synchronously.
import { readFileSync } from "node:fs";
import { Engine } from "../engine.js";
import { createVerifierFactory } from "../verifier.js";

export * from "./shared.js";

const load = () => new WebAssembly.Module(readFileSync(new URL("../verifier.wasm", import.meta.url)));

export const createVerifier = createVerifierFactory(new Engine(load), { allowHmac: true });

export async function init() {}
