// An attacker signs up somebody else's address, before, after and around its owner. The owner gets every code by
// mail and may type any of them anywhere. The attacker's password must never open the account.
//
// Every order of up to three sign-ups in which both take part, times every code, times every way to present it;
// and afterwards all other codes in all ways.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { PASSWORD, accountsOf, client, granted, newAddress, otherThan, refused, startOpenServer, tokenOf } from "./support/accounts.mjs";

const STOLEN = "the password of the attacker";
const ATTACKER = "Mallory";
const ORDERS = ["AV", "VA", "AAV", "AVA", "VAA", "AVV", "VAV", "VVA"];

describe("somebody else signs up my address", { concurrency: 16 }, () => {
  let server;
  let owner;
  let attacker;
  before(async () => {
    server = await startOpenServer();
    owner = client(server, "198.51.100.1");
    attacker = client(server, "203.0.113.66");
  });
  after(() => server?.stop());

  /** Signs up in this order; what each of the two then holds. The codes all lie in the owner's mailbox. */
  async function signedUp(order) {
    const email = newAddress();
    const attempts = [];
    for (const who of order) {
      const [by, password, person] = who === "V" ? [owner, PASSWORD, "Ada"] : [attacker, STOLEN, ATTACKER];
      const name = `${person} ${attempts.length}`;
      const { status, body, text } = await by.post("signup", { email, name, password });
      assert.equal(status, 202, text);
      attempts.push({ who, name, registration: body.registration });
      // Only the time at which a mail was asked for tells the mails apart.
      await sleep(2);
    }
    const mails = await owner.untilMails(email, order.length);
    const codes = mails.toSorted((one, other) => one.created_at - other.created_at).map(({ code }) => code);
    return { email, attempts: attempts.map((attempt, index) => ({ ...attempt, code: codes[index] })) };
  }

  /** Every body that the owner could send: any code, alone, with a password, with any registration of their own. */
  function presentations({ email, attempts }) {
    const own = attempts.filter((attempt) => attempt.who === "V").map((attempt) => attempt.registration);
    return attempts.flatMap(({ code }) => [
      { email, otp: code },
      { email, otp: code, password: PASSWORD },
      ...own.map((registration) => ({ email, otp: code, registration })),
    ]);
  }

  async function attackerStaysOutside({ email, attempts }, tokens) {
    refused(await attacker.login(email, STOLEN), 401, "invalid_credentials");
    const { registration } = attempts.find((attempt) => attempt.who === "A");
    // Without the mailbox there is nothing to type but guesses.
    for (const otp of ["000000", otherThan(attempts[0].code)].filter((guess) => attempts.every(({ code }) => code !== guess))) {
      for (const way of [{ registration }, { password: STOLEN }, {}]) {
        refused(await attacker.verify({ email, otp, ...way }), 400, "code_invalid");
      }
    }
    if (tokens) assert.ok(!(await owner.me(tokens.access_token)).body.name.startsWith(ATTACKER));
  }

  for (const order of ORDERS) {
    const ways = presentations({ email: "", attempts: [...order].map((who) => ({ who, code: "", registration: "" })) }).length;
    for (let first = 0; first < ways; first += 1) {
      test(`${order}, presentation ${first + 1} of ${ways} first`, async () => {
        const state = await signedUp(order);
        const bodies = presentations(state);
        let tokens;
        for (const body of [bodies[first], ...bodies]) {
          const answer = await owner.verify(body);
          if (answer.status !== 200) {
            refused(answer, 400, "code_invalid");
            continue;
          }
          tokens = granted(answer);
          refused(await attacker.login(state.email, STOLEN), 401, "invalid_credentials");
        }
        await attackerStaysOutside(state, tokens);
        const accounts = await accountsOf(server, state.email);
        assert.equal(accounts.length, 1, "the owner, who has all codes, gets in");
      });
    }
  }

  test("the attacker goes on when the account is there", async () => {
    const state = await signedUp("AV");
    const mine = state.attempts[1];
    granted(await owner.verify({ email: state.email, otp: mine.code, registration: mine.registration }));
    const { registration, code } = await attacker.signUp(state.email, { password: STOLEN, name: ATTACKER });
    assert.equal(code, undefined);
    refused(await attacker.verify({ email: state.email, otp: mine.code, registration }), 400, "code_invalid");
    // Their own sign-up waits for a code that nobody mails.
    refused(await attacker.login(state.email, STOLEN), 403, "verification_required");
    granted(await owner.login(state.email, PASSWORD));
  });

  test("the attacker signs up between the owner's code and its link", async () => {
    const state = await signedUp("VA");
    granted(await owner.verify({ email: state.email, otp: state.attempts[0].code }));
    await attacker.signUp(state.email, { password: STOLEN, name: ATTACKER });
    const link = (await owner.mails(state.email)).find((mail) => mail.link);
    assert.equal((await owner.post("set-password", { token: tokenOf(link), password: PASSWORD })).status, 200);
    refused(await attacker.login(state.email, STOLEN), 403, "verification_required");
    granted(await owner.login(state.email, PASSWORD));
  });

  test("the attacker kills their own attempt first, so that the owner's seems the only one", async () => {
    for (const order of ["AV", "VA"]) {
      const state = await signedUp(order);
      const theirs = state.attempts.find((attempt) => attempt.who === "A");
      for (let guess = 0; guess < 5; guess += 1) {
        refused(await attacker.verify({ email: state.email, otp: otherThan(theirs.code), registration: theirs.registration }), 400, "code_invalid");
      }
      for (const { code } of state.attempts) {
        const answer = await owner.verify({ email: state.email, otp: code });
        if (answer.status !== 200) refused(answer, 400, "code_invalid");
      }
      refused(await attacker.login(state.email, STOLEN), 401, "invalid_credentials");
    }
  });

  test("the attacker pushes the owner's attempt out", async () => {
    const state = await signedUp("VAAAAAAAA");
    const [mine, ...theirs] = state.attempts;
    refused(await owner.verify({ email: state.email, otp: mine.code, registration: mine.registration }), 400, "code_invalid");
    granted(await owner.verify({ email: state.email, otp: theirs[7].code }));
    refused(await attacker.login(state.email, STOLEN), 401, "invalid_credentials");
  });

  test("both type at the same moment", async () => {
    for (let round = 0; round < 3; round += 1) {
      const state = await signedUp("AV");
      const [theirs, mine] = state.attempts;
      const answers = await Promise.all([
        owner.verify({ email: state.email, otp: mine.code, registration: mine.registration }),
        attacker.verify({ email: state.email, otp: otherThan(theirs.code), registration: theirs.registration }),
        attacker.verify({ email: state.email, otp: otherThan(mine.code), registration: mine.registration }),
        attacker.signUp(state.email, { password: STOLEN, name: ATTACKER }),
      ]);
      granted(answers[0]);
      // Their third sign-up was there before the account, and gone with the others, or waits.
      const { status, body } = await attacker.login(state.email, STOLEN);
      assert.ok(["401 invalid_credentials", "403 verification_required"].includes(`${status} ${body.code}`), body.code);
    }
  });
});
