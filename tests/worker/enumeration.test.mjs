// Nobody learns from an answer who has an account, and in what state: every route that takes somebody's address, or
// a link with somebody's account in it, is asked about people of every kind, and must answer all of them byte by
// byte alike and ask the same of the stores.
//
// A route that is missing here and takes an identifier fails the first test.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { AUTH, COUNTED_LIMITS, PASSWORD, claimsOf, client, newAddress, startOpenServer, wrongLinkOf } from "./support/accounts.mjs";
import { Observer, shown } from "./support/observer.mjs";
import { editAccount, sleep, untilQuiet } from "./support/people.mjs";
import { newNumber, phoneClient } from "./support/phones.mjs";
import { ROOT } from "./support/server.mjs";

/** What identifies somebody in a body; a token of a link names the account that it was mailed for. */
const IDENTIFYING = /\b(email|phone|identifier|username|token)\b\??/;
const WRONG = { otp: "000000", password: "a password that nobody has" };
const CALLS = "x-postern-calls: ";
/** Between two questions about the same person whose counts are too high. */
const QUIET_MILLISECONDS = 400;

/** What is sent about whom, and the status that everybody gets; `by` says that somebody has to be signed in, `first` what is asked before. */
const QUESTIONS = [
  ["signup", { body: ({ email }) => ({ email, name: "Ada", password: PASSWORD }), status: 202 }],
  ["signup", { title: "without a password", body: ({ email }) => ({ email, name: "Ada" }), status: 202 }],
  ["resend-signup", { body: ({ email }) => ({ email, registration: "0123456789abcdef".repeat(2) }), status: 400 }],
  ["verify-signup", { title: "bare", body: ({ email }) => ({ email, otp: WRONG.otp }), status: 400 }],
  ["verify-signup", { title: "with a registration", body: ({ email }) => ({ email, otp: WRONG.otp, registration: "0123456789abcdef".repeat(2) }), status: 400 }],
  ["verify-signup", { title: "with a password", body: ({ email }) => ({ email, otp: WRONG.otp, password: PASSWORD }), status: 400 }],
  ["set-password", { body: (who) => ({ token: wrongLinkOf(who), password: PASSWORD }), status: 400 }],
  ["request-email-change", { by: true, body: ({ email }) => ({ email, current_password: PASSWORD }), status: 202 }],
  ["resend-email-change", { by: true, first: ["request-email-change", ({ email }) => ({ email, current_password: PASSWORD })], body: () => ({}), status: 202 }],
  ["confirm-email-change", { by: true, body: ({ email }) => ({ email, otp: WRONG.otp }), status: 400 }],
  ["request-email-verification", { body: ({ email }) => ({ email }), status: 202 }],
  ["verify-email", { body: ({ email }) => ({ email, otp: WRONG.otp }), status: 400 }],
  ["request-password-reset", { body: ({ email }) => ({ email }), status: 202 }],
  ["reset-password", { body: (who) => ({ token: wrongLinkOf(who), password: PASSWORD }), status: 400 }],
  ["login", { body: ({ email }) => ({ email, password: WRONG.password }), status: 401 }],
  ["request-otp", { body: ({ email }) => ({ email }), status: 202 }],
  ["verify-login", { body: ({ email }) => ({ email, otp: WRONG.otp }), status: 400 }],
  ["request-login-link", { body: ({ email }) => ({ email }), status: 202 }],
  ["verify-login-link", { body: (who) => ({ token: wrongLinkOf(who) }), status: 400 }],
];
const REGISTRATION = "0123456789abcdef".repeat(2);
/** The same, of people who are known by a number. */
const PHONE_QUESTIONS = [
  ["signup", { body: ({ phone }) => ({ phone, name: "Ada", password: PASSWORD }), status: 202 }],
  ["resend-signup", { body: ({ phone }) => ({ phone, registration: REGISTRATION }), status: 400 }],
  ["verify-signup", { title: "bare", body: ({ phone }) => ({ phone, otp: WRONG.otp }), status: 400 }],
  ["verify-signup", { title: "with a registration", body: ({ phone }) => ({ phone, otp: WRONG.otp, registration: REGISTRATION }), status: 400 }],
  ["request-phone-change", { by: true, body: ({ phone }) => ({ phone, current_password: PASSWORD }), status: 202 }],
  ["resend-phone-change", { by: true, first: ["request-phone-change", ({ phone }) => ({ phone, current_password: PASSWORD })], body: () => ({}), status: 202 }],
  ["confirm-phone-change", { by: true, body: ({ phone }) => ({ phone, otp: WRONG.otp }), status: 400 }],
  ["request-phone-verification", { body: ({ phone }) => ({ phone }), status: 202 }],
  ["verify-phone", { body: ({ phone }) => ({ phone, otp: WRONG.otp }), status: 400 }],
  ["request-password-reset", { body: ({ phone }) => ({ phone }), status: 202 }],
  ["reset-password", { body: ({ phone }) => ({ phone, otp: WRONG.otp, password: PASSWORD }), status: 400 }],
  ["login", { body: ({ phone }) => ({ phone, password: WRONG.password }), status: 401 }],
  ["login", { title: "by whatever identifies", body: ({ phone }) => ({ identifier: phone, password: WRONG.password }), status: 401 }],
  ["request-otp", { body: ({ phone }) => ({ phone }), status: 202 }],
  ["verify-login", { body: ({ phone }) => ({ phone, otp: WRONG.otp }), status: 400 }],
];
/** Routes that take a token of a session, and invitations, about which `organizations_access.test.mjs` asks. */
const INVITATIONS = ["organizations/{id}/invites", "organization-invites/accept", "organization-invites/decline"];
const OTHERS = [...INVITATIONS, "refresh", "logout", "validate"];

/** Deployments, and what each is asked. */
const DEPLOYMENTS = [
  ["by default", {}, QUESTIONS],
  ["with resets by code", { password_reset: { by: "code" } }, [
    ["request-password-reset", { body: ({ email }) => ({ email }), status: 202 }],
    ["reset-password", { body: ({ email }) => ({ email, otp: WRONG.otp, password: PASSWORD }), status: 400 }],
  ]],
  ["with proofs by link", { verification: { by: "link" } }, [
    ["request-email-verification", { body: ({ email }) => ({ email }), status: 202 }],
    ["verify-email", { body: (who) => ({ token: wrongLinkOf(who) }), status: 400 }],
  ]],
  ["with accounts made by codes", { sign_in: { creates_accounts: true } }, [
    ["request-otp", { body: ({ email }) => ({ email }), status: 202 }],
    ["verify-login", { body: ({ email }) => ({ email, otp: WRONG.otp }), status: 400 }],
  ]],
  ["by phone", { sms: { sender: "development_mailbox" } }, PHONE_QUESTIONS, byPhone],
];

/** Whoever is known by an address: a new one, an account of theirs, and a sign-up that waits. */
function byEmail(server) {
  const one = client(server);
  return {
    address: () => ({ email: newAddress() }),
    account: async ({ email }) => (await one.account(email)).access_token,
    signUp: ({ email }) => one.signUp(email, { password: PASSWORD }),
  };
}

/** The same for numbers. */
function byPhone(server) {
  const one = phoneClient(server);
  return {
    address: () => ({ phone: newNumber() }),
    account: async ({ phone }) => (await one.phoneAccount(phone)).bearer,
    signUp: ({ phone }) => one.signUpByPhone(phone, { password: PASSWORD }),
  };
}

test("every route that takes an identifier is asked", () => {
  const page = readFileSync(join(ROOT, "docs/http.md"), "utf8");
  const routesIn = (text) => [...text.matchAll(/`POST \/api\/v1\/auth\/([\w/{}-]+)`/g)].map((match) => match[1]).filter((route) => !route.startsWith("admin/"));
  const identifies = (text) => [...text.matchAll(/`(\{[^`]*)`/g)].some(([, body]) => IDENTIFYING.test(body));
  const known = new Set([...[...QUESTIONS, ...PHONE_QUESTIONS].map(([route]) => route), ...OTHERS]);
  const found = new Set();
  for (const section of page.split(/^### /m).slice(1)) {
    const [heading, ...lines] = section.split("\n");
    const [bodies] = lines.join("\n").trim().split("\n\n");
    if (identifies(bodies.replaceAll(/→[^;]*/g, ""))) for (const route of routesIn(heading)) found.add(route);
  }
  // Routes that share a table have request and body before the arrow.
  for (const line of page.split("\n").filter((line) => line.startsWith("| `"))) {
    const [asked] = line.split("→");
    if (identifies(asked)) for (const route of routesIn(asked)) found.add(route);
  }
  assert.ok(found.size >= 14, [...found].join());
  for (const route of found) assert.ok(known.has(route), `${route} takes an identifier: ask it about everybody`);
});

describe("the same answer for everybody", () => {
  for (const [deployment, vars, questions, known = byEmail] of DEPLOYMENTS) {
    describe(deployment, () => {
      let server;
      let observer;
      let bearer;
      const people = {};
      before(async () => {
        server = await startOpenServer({
          vars: { ...vars, codes: { resend_after_seconds: 0 }, limits: COUNTED_LIMITS },
        });
        observer = new Observer(server);
        const { DIRECTORY } = await server.getEnv();
        const { address, account: accountOf, signUp } = known(server);
        const account = async () => {
          const who = address();
          const token = await accountOf(who);
          return { ...who, account: claimsOf(token).sub, token };
        };
        const change = (sql, { account: id }) => DIRECTORY.prepare(sql).bind(id).run();
        ({ token: bearer } = await account());
        people.stranger = { ...address(), account: "0123456789abcdef".repeat(2) };
        people.owner = await account();
        people["somebody without a password"] = await account();
        await change("UPDATE credentials SET password_hash = NULL WHERE account_id = ?", people["somebody without a password"]);
        people["somebody unproven"] = await account();
        await change("UPDATE identifiers SET verified_at = NULL WHERE account_id = ?", people["somebody unproven"]);
        for (const status of ["disabled", "banned", "pending_verification"]) {
          people[status] = await account();
          await editAccount(server, people[status], { status });
        }
        people["somebody who has just signed up"] = { ...address(), account: "fedcba9876543210".repeat(2) };
        await signUp(people["somebody who has just signed up"]);
      });
      after(() => {
        observer?.close();
        return server?.stop();
      });

      /** What an answer shows, and how often it asked which store. */
      async function seen(route, question, who) {
        const as = question.by ? { bearer } : {};
        if (question.first) {
          await observer.post(`${AUTH}/${question.first[0]}`, question.first[1](who), as);
          await untilQuiet(server, QUIET_MILLISECONDS);
        }
        const answer = shown(await observer.post(`${AUTH}/${route}`, question.body(who), as));
        const [calls] = answer.headers.filter((header) => header.startsWith(CALLS));
        assert.ok(calls, answer.headers.join());
        const counts = Object.fromEntries(calls.slice(CALLS.length).split(" ").map((count) => count.split("=")).map(([name, count]) => [name, Number(count)]));
        return { ...answer, headers: answer.headers.filter((header) => !header.startsWith("x-postern-")), counts };
      }

      /**
       * The same, asked up to so many times until it is as `expected`. What runs beside a request can only add to its
       * counts, so the least of several is its own.
       */
      async function least(attempts, route, question, who, expected) {
        const answer = await seen(route, question, who);
        for (let attempt = 1; attempt < attempts && !isDeepStrictEqual(answer, expected); attempt += 1) {
          await sleep(QUIET_MILLISECONDS);
          const { counts, ...again } = await seen(route, question, who);
          for (const name of Object.keys(counts)) answer.counts[name] = Math.min(answer.counts[name], counts[name]);
          assert.deepEqual({ ...again, counts: answer.counts }, answer);
        }
        return answer;
      }

      for (const [route, question] of questions) {
        const { title, status } = question;
        test(title === undefined ? route : `${route}, ${title}`, async () => {
          const [[first, stranger], ...others] = Object.entries(people);
          const reference = await least(4, route, question, stranger);
          assert.equal(reference.status, status, reference.text);
          assert.ok(reference.counts.limiter >= 1 && reference.counts.intake >= 1, JSON.stringify(reference.counts));
          for (const [kind, who] of others) {
            assert.deepEqual(await least(8, route, question, who, reference), reference, `${kind} is told apart from ${first}`);
          }
        });
      }
    });
  }
});
