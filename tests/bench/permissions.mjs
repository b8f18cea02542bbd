// What an account may do, resolved by `postern-core` compiled natively: how much the size of the registry counts.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { compare } from "./support/measure.mjs";
import { Program } from "./support/program.mjs";
import { ROOT } from "./support/workerd.mjs";

const PROGRAM = join(ROOT, "build/bench/permissions");

export const NAMES = ["permission-resolution"];

export async function run(name, { quick }) {
  if (!existsSync(PROGRAM)) return [{ name, skipped: "build/bench/permissions is missing: cargo xtask bench builds it" }];
  const program = new Program(PROGRAM);
  try {
    const side = (label, registry) => ({ name: label, sample: async () => Number(await program.ask(`${registry} ${quick ? 100 : 20_000}`)) });
    const ours = side("508 permissions, 1,000 roles, 100 groups", "largest");
    const theirs = side("those of the account: 64 roles, 100 groups", "own");
    return [await compare({ name, ours, theirs }, quick ? 2 : 15)];
  } finally {
    await program.end();
  }
}
