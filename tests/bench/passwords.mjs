// Argon2id as a login runs it: 19456 KiB, 2 passes, 1 lane (OWASP's minimum).

import * as crypto from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { argon2id } from "hash-wasm";
import { asynchronous, compare, synchronous } from "./support/measure.mjs";

const MODULE = new URL("../../build/bench/argon2.wasm", import.meta.url);
const PASSWORD = "seven swift otters juggle";
const SALT = "sixteen bytes ok";
/** The hash that our module compares with: tests/bench/argon2/src/lib.rs. */
const HASH = "n286M/e/+s2GZqOiGuo9uK8zB5cz3pwXwa9QHMHv7A0";

export const NAMES = ["argon2id-hash-wasm", "argon2id-node"];

export async function run(name, { quick }) {
  if (!existsSync(MODULE)) throw new Error("build/bench/argon2.wasm is missing: cargo xtask bench builds it");
  if (name === "argon2id-node" && crypto.argon2Sync === undefined) {
    return [{ name, skipped: `Node ${process.version} has no crypto.argon2Sync` }];
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(MODULE)));
  const ours = () => {
    if (exports.postern_bench_login() !== 1) throw new Error("our password check failed");
  };
  const passes = [1, 2];
  const comparison = {
    name,
    ours: synchronous("postern, wasm", passes, 1, ours),
    theirs: name === "argon2id-node" ? synchronous("node:crypto argon2Sync", passes, 1, byNode) : asynchronous("hash-wasm", passes, 1, byHashWasm),
  };
  return [await compare(comparison, quick ? 2 : 15)];
}

function byNode() {
  checked(crypto.argon2Sync("argon2id", { message: PASSWORD, nonce: SALT, parallelism: 1, tagLength: 32, memory: 19_456, passes: 2 }));
}

async function byHashWasm() {
  checked(await argon2id({ password: PASSWORD, salt: SALT, parallelism: 1, iterations: 2, memorySize: 19_456, hashLength: 32, outputType: "binary" }));
}

function checked(hash) {
  if (Buffer.from(hash).toString("base64").replace("=", "") !== HASH) throw new Error("a contender computes another hash");
}
