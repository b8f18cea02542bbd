// An authenticator app, by RFC 6238 and node:crypto alone.

import { createHmac } from "node:crypto";

import { sleep } from "./people.mjs";

const PERIOD_MILLISECONDS = 30_000;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The bytes of a secret as people type it. */
export function secretBytes(secret) {
  const bits = [...secret].map((symbol) => BASE32.indexOf(symbol).toString(2).padStart(5, "0")).join("");
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

/** The code of now, or of some steps later. */
export function codeOf(secret, steps = 0) {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(Math.floor(Date.now() / PERIOD_MILLISECONDS) + steps));
  const digest = createHmac("sha1", secretBytes(secret)).update(message).digest();
  return String((digest.readUInt32BE(digest[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** Not right before the codes change: a test uses those of three neighbouring steps. */
export async function steady() {
  const left = PERIOD_MILLISECONDS - (Date.now() % PERIOD_MILLISECONDS);
  if (left < 6_000) await sleep(left + 50);
}
