// Nor does anybody learn from the time of an answer who has an account.
//
// No time is compared with a number: whoever has an account and who has none are asked about in turns, in random
// order, and what is asserted is the chance that one of the first took longer than one of the second. With this many
// pairs it strays from a half by 0.03 (standard deviation) when there is nothing to see, whatever else the machine does; the bound is five times
// that. Hashes are small, so that they do not hide the rest; `enumeration.test.mjs` shows that there are as many.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, COUNTED_LIMITS, PASSWORD, claimsOf, client, newAddress, startOpenServer, wrongLinkOf } from "./support/accounts.mjs";
import { Observer, separation } from "./support/observer.mjs";

const PAIRS = 200;
const TELLS_APART = 0.15;
/** So many people of each kind take turns. */
const PEOPLE = 10;

const QUESTIONS = [
  ["login", ({ email }) => ({ email, password: "a password that nobody has" }), 401, ["strangers", "owners", "people without a password"]],
  ["verify-login", ({ email }) => ({ email, otp: "000000" }), 400],
  ["verify-login-link", (who) => ({ token: wrongLinkOf(who) }), 400],
  ["verify-email", ({ email }) => ({ email, otp: "000000" }), 400],
  ["reset-password", (who) => ({ token: wrongLinkOf(who), password: PASSWORD }), 400],
  ["set-password", (who) => ({ token: wrongLinkOf(who), password: PASSWORD }), 400],
  ["verify-signup", ({ email }) => ({ email, otp: "000000", password: PASSWORD }), 400],
  ["request-otp", ({ email }) => ({ email }), 202],
  ["request-password-reset", ({ email }) => ({ email }), 202],
  ["signup", ({ email }) => ({ email, name: "Ada", password: PASSWORD }), 202],
];

describe("the time of an answer tells nobody who has an account:", () => {
  let server;
  let observer;
  let kinds;
  before(async () => {
    server = await startOpenServer({ vars: { codes: { resend_after_seconds: 0 }, limits: COUNTED_LIMITS } });
    observer = new Observer(server);
    const { DIRECTORY } = await server.getEnv();
    const all = (make) => Promise.all(Array.from({ length: PEOPLE }, (_, index) => make(index)));
    const account = async () => {
      const email = newAddress();
      const { access_token: token } = await client(server).account(email);
      return { email, account: claimsOf(token).sub };
    };
    kinds = {
      strangers: await all((index) => ({ email: newAddress(), account: `${index}`.repeat(32) })),
      owners: await all(account),
      "people without a password": await all(account),
    };
    for (const { account: id } of kinds["people without a password"]) {
      await DIRECTORY.prepare("UPDATE credentials SET password_hash = NULL WHERE account_id = ?").bind(id).run();
    }
  });
  after(() => {
    observer?.close();
    return server?.stop();
  });

  for (const [route, body, status, asked = ["strangers", "owners"]] of QUESTIONS) {
    test(route, async (t) => {
      const times = Object.fromEntries(asked.map((kind) => [kind, []]));
      for (let pair = -5; pair < PAIRS; pair += 1) {
        for (const kind of shuffled(asked)) {
          const who = kinds[kind][(pair + PEOPLE) % PEOPLE];
          const answer = await observer.post(`${AUTH}/${route}`, body(who));
          assert.equal(answer.status, status, answer.text);
          // The first ones are for the compilers.
          if (pair >= 0) times[kind].push(answer.milliseconds);
        }
      }
      const [strangers, ...others] = Object.entries(times);
      for (const [kind, measured] of others) {
        const chance = separation(measured, strangers[1]);
        t.diagnostic(`${kind} take longer than strangers with a chance of ${chance.toFixed(3)}`);
        assert.ok(Math.abs(chance - 0.5) < TELLS_APART, `${kind}: ${chance}`);
      }
    });
  }
});

function shuffled(values) {
  return values.map((value) => [Math.random(), value]).sort(([one], [other]) => one - other).map(([, value]) => value);
}
