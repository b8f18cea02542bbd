import { WASM_BASE64 } from "./wasm-base64.js";

/** @type {WebAssembly.Module | undefined} */
let compiled;

/** Compiles the inlined module, once, on the calling thread. */
export function compile() {
  return (compiled ??= new WebAssembly.Module(decode()));
}

/** Compiles the inlined module, once, off the calling thread. */
export async function compileAsync() {
  compiled ??= await WebAssembly.compile(decode());
}

function decode() {
  return Uint8Array.from(atob(WASM_BASE64), (character) => character.charCodeAt(0));
}
