// What the tests of phones share: numbers that nobody had before, and SMS as they come to the development mailbox.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";

import { PASSWORD, assertAlike, claimsOf, client, granted, startOpenServer } from "./accounts.mjs";
import { until } from "./people.mjs";
import { overlaid } from "./server.mjs";

/** A number that no other test has. */
export const newNumber = () => `+4915${String(randomInt(1e9)).padStart(9, "0")}`;

/** A number as people write it. */
export const spaced = (number) => ` ${number.slice(0, 3)} (${number.slice(3, 6)}) ${number.slice(6, 9)}-${number.slice(9)} `;

/** A server whose SMS come to the development mailbox. */
export const startPhoneServer = ({ vars = {}, ...options } = {}) =>
  startOpenServer({ ...options, vars: overlaid({ sms: { sender: "development_mailbox" } }, vars) });

/** A client that also reads SMS. */
export function phoneClient(server, address) {
  const one = client(server, address);

  /** The SMS to a number, newest first. */
  const sms = async (number) => {
    const found = await one.mails(number);
    for (const message of found) assert.deepEqual([message.channel, message.to, message.subject], ["sms", number, ""]);
    return found;
  };

  /** The next SMS to a number that `ask` brings about. */
  const smsAfter = async (number, ask, expected = 202) => {
    const seen = new Set((await sms(number)).map(keyOf));
    const { status, body, text } = await ask();
    assert.equal(status, expected, text);
    const message = await until(`an SMS to ${number}`, async () => (await sms(number)).find((each) => !seen.has(keyOf(each))), 60);
    return { ...message, answer: body };
  };

  /** Asks for an SMS to a number and waits for it. */
  const texted = (route, phone, body = {}, options = {}) => smsAfter(phone, () => one.post(route, { phone, ...body }, options));

  /** Signs up with a number: `{ registration, code, text }`. */
  const signUpByPhone = async (phone, { name = "Ada", password } = {}) => {
    const { answer, ...message } = await texted("signup", phone, { name, ...(password === undefined ? {} : { password }) });
    return { registration: answer.registration, ...message };
  };

  return {
    ...one,
    sms,
    smsAfter,
    texted,
    signUpByPhone,

    /** `assertAlike`, with the keys at hand: an isolate whose copy is a minute old would ask for them in between. */
    assertAlike: (asked, other) => {
      const withKeys = (ask) => async () => {
        assert.equal((await one.send("GET", "/.well-known/jwks.json")).status, 200);
        return ask();
      };
      return assertAlike(server, withKeys(asked), withKeys(other));
    },

    /** An account with a number and this password, and no address. */
    phoneAccount: async (phone, password = PASSWORD) => {
      const { registration, code } = await signUpByPhone(phone, { password });
      const tokens = granted(await one.post("verify-signup", { phone, otp: code, registration }));
      return { phone, account: claimsOf(tokens.access_token).sub, bearer: tokens.access_token, ...tokens };
    },
  };
}

const keyOf = ({ created_at: at, text }) => `${at} ${text}`;

/** Every account that a number belongs to: none or one. */
export async function ownersOf(server, phone) {
  const { DIRECTORY } = await server.getEnv();
  const query = "SELECT account_id, verified_at FROM identifiers WHERE kind = 'phone' AND value = ?";
  return (await DIRECTORY.prepare(query).bind(phone).all()).results;
}

/** Runs a statement on a table of every intake shard that has it. */
export async function onIntakes(server, table, ...sql) {
  for (let shard = 0; shard < 16; shard += 1) {
    const storage = await server.objectStorage("INTAKE", `v1/intake/${String(shard).padStart(2, "0")}`);
    if ((await storage.exec("SELECT name FROM sqlite_master WHERE name = ?", table)).length > 0) await storage.exec(...sql);
  }
}
