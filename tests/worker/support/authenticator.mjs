// An authenticator app, by RFC 6238 and node:crypto alone.

import assert from "node:assert/strict";
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

/**
 * Enrols an authenticator for whoever is signed in, confirmed by the code of the step before: those of now and of the
 * next step are still to be used.
 *
 * @returns {Promise<{ secret: string, uri: string, codes: string[] }>} with the backup codes
 */
export async function enrol(owner, { access_token: bearer }, current_password) {
  await steady();
  const begun = await owner.post("2fa/setup", { current_password }, { bearer });
  assert.equal(begun.status, 200, begun.text);
  const { secret, uri } = begun.body;
  const confirmed = await owner.post("2fa/verify", { code: codeOf(secret, -1) }, { bearer });
  assert.equal(confirmed.status, 200, confirmed.text);
  return { secret, uri, codes: confirmed.body.backup_codes };
}
