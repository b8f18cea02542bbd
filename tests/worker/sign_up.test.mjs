// Signing up: the whole path, every way a code can come back, and every way it must not.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  AUTH,
  PASSWORD,
  accountsOf,
  claimsOf,
  client,
  granted,
  newAddress,
  otherThan,
  refused,
  startOpenServer,
  tokenOf,
} from "./support/accounts.mjs";
import { untilQuiet } from "./support/people.mjs";

const OTHER_PASSWORD = "a password of somebody else";

describe("signing up", { concurrency: 4 }, () => {
  let server;
  let person;
  before(async () => {
    server = await startOpenServer();
    person = client(server);
  });
  after(() => server?.stop());

  test("the whole path, from a form to a logout", async () => {
    const email = newAddress();
    const began = Date.now();
    const accepted = await person.post("signup", { email: ` ${email.toUpperCase()} `, name: "Ada Lovelace", password: PASSWORD });
    assert.equal(accepted.status, 202);
    assert.equal(accepted.headers.get("content-type"), "application/json");
    assert.deepEqual(Object.keys(accepted.body).sort(), ["expires_in", "registration"]);
    assert.match(accepted.body.registration, /^[0-9a-f]{32}$/);
    assert.equal(accepted.body.expires_in, 600);

    const [mail] = await person.untilMails(email, 1);
    assert.equal(mail.to, email);
    assert.match(mail.code, /^\d{6}$/);
    assert.ok(mail.text.includes(mail.code));
    assert.ok(!mail.text.includes("Ada Lovelace"), "whoever typed the address chose the name");
    assert.ok(!mail.text.includes(accepted.body.registration), "the registration is in the mail");
    refused(await person.login(email, PASSWORD), 403, "verification_required");

    const first = granted(await person.verify({ email, otp: mail.code, registration: accepted.body.registration }));
    const me = await person.me(first.access_token);
    assert.equal(me.status, 200);
    const { id, created_at: createdAt, last_login_at: _, ...rest } = me.body;
    const unset = { phone: null, pending_phone: null, is_phone_verified: false, pending_email: null, username: null, biography: null, locale: null, updated_at: null };
    assert.deepEqual(rest, { ...unset, email, name: "Ada Lovelace", is_verified: true, has_password: true, is_2fa_enabled: false, roles: ["user"], entitlements: [] });
    assert.equal(id, claimsOf(first.access_token).sub);
    assert.ok(createdAt >= began - 1000 && createdAt <= Date.now() + 1000);

    const second = granted(await person.login(email, PASSWORD));
    assert.equal(claimsOf(second.access_token).sub, id);
    assert.notEqual(claimsOf(second.access_token).sid, claimsOf(first.access_token).sid);
    assert.equal((await person.sessions(second.access_token)).body.sessions.length, 2);

    const third = granted(await person.post("refresh", { refresh_token: second.refresh_token }));
    assert.notEqual(third.refresh_token, second.refresh_token);
    assert.equal(claimsOf(third.access_token).sid, claimsOf(second.access_token).sid);
    assert.equal((await person.me(third.access_token)).body.id, id);

    const out = await person.post("logout", { refresh_token: third.refresh_token });
    assert.deepEqual([out.status, out.body], [200, { success: true }]);
    refused(await person.post("refresh", { refresh_token: third.refresh_token }), 401, "refresh_invalid");
    refused(await person.validate(third.access_token, "strict"), 401, "session_revoked");
    granted(await person.post("refresh", { refresh_token: first.refresh_token }));
  });

  test("without a password there is an account that no password opens", async () => {
    const email = newAddress();
    const { registration, code } = await person.signUp(email);
    const tokens = granted(await person.verify({ email, otp: code, registration }));
    assert.equal((await person.me(tokens.access_token)).body.email, email);
    for (const guess of [PASSWORD, "null", "undefined", email]) {
      refused(await person.login(email, guess), 401, "invalid_credentials");
    }
  });

  test("address and code alone, of the only attempt: its password works", async () => {
    const email = newAddress();
    const { code } = await person.signUp(email, { password: PASSWORD });
    granted(await person.verify({ email, otp: code }));
    granted(await person.login(email, PASSWORD));
    assert.equal((await person.mails(email)).length, 1);
  });

  test("a password together with the code is the account's", async () => {
    const email = newAddress();
    const { code } = await person.signUp(email, { password: OTHER_PASSWORD });
    granted(await person.verify({ email, otp: code, password: PASSWORD, name: "Grace" }));
    const tokens = granted(await person.login(email, PASSWORD));
    assert.equal((await person.me(tokens.access_token)).body.name, "Grace");
    refused(await person.login(email, OTHER_PASSWORD), 401, "invalid_credentials");
  });

  test("a password together with the code must keep the policy, and costs no guess when it does not", async () => {
    const email = newAddress();
    const { code } = await person.signUp(email);
    for (const password of ["short", "password123", email, "a\u0000long enough one", "x".repeat(1025)]) {
      const problem = refused(await person.verify({ email, otp: code, password }), 400, "invalid_request");
      assert.deepEqual([...new Set(problem.errors.map((error) => error.field))], ["password"]);
    }
    granted(await person.verify({ email, otp: code, password: PASSWORD }));
  });

  test("a registration and a password together are refused", async () => {
    const email = newAddress();
    const { registration, code } = await person.signUp(email, { password: PASSWORD });
    const problem = refused(await person.verify({ email, otp: code, registration, password: OTHER_PASSWORD }), 400, "invalid_request");
    assert.equal(problem.errors[0].field, "password");
    assert.deepEqual(await accountsOf(server, email), []);
    granted(await person.verify({ email, otp: code, registration }));
    granted(await person.login(email, PASSWORD));
  });

  for (const selector of ["registration", "bare", "password"]) {
    test(`five wrong codes kill an attempt, even for the right one (${selector})`, async () => {
      const email = newAddress();
      const { registration, code } = await person.signUp(email, { password: PASSWORD });
      const by = { registration: { registration }, bare: {}, password: { password: PASSWORD } }[selector];
      for (let guess = 0; guess < 5; guess += 1) {
        refused(await person.verify({ email, otp: otherThan(code), ...by }), 400, "code_invalid");
      }
      for (const way of [{ registration }, {}, { password: PASSWORD }]) {
        refused(await person.verify({ email, otp: code, ...way }), 400, "code_invalid");
      }
      refused(await person.login(email, PASSWORD), 403, "verification_required");
      assert.deepEqual(await accountsOf(server, email), []);
    });
  }

  test("forty guesses at once are five guesses", async () => {
    const email = newAddress();
    const { registration, code } = await person.signUp(email, { password: PASSWORD });
    const guesses = Array.from({ length: 40 }, () => person.verify({ email, otp: otherThan(code), registration }));
    for (const answer of await Promise.all(guesses)) refused(answer, 400, "code_invalid");
    refused(await person.verify({ email, otp: code, registration }), 400, "code_invalid");
  });

  test("four wrong codes are forgiven", async () => {
    const email = newAddress();
    const { registration, code } = await person.signUp(email, { password: PASSWORD });
    for (let guess = 0; guess < 4; guess += 1) {
      refused(await person.verify({ email, otp: otherThan(code), registration }), 400, "code_invalid");
    }
    granted(await person.verify({ email, otp: code, registration }));
  });

  test("a code is good for its own attempt and its own address only", async () => {
    const [email, elsewhere] = [newAddress(), newAddress()];
    const one = await person.signUp(email, { password: PASSWORD });
    const two = await person.signUp(email, { password: OTHER_PASSWORD });
    const other = await person.signUp(elsewhere, { password: OTHER_PASSWORD });
    const wrong = [
      { email, otp: one.code, registration: two.registration },
      { email, otp: two.code, registration: one.registration },
      { email, otp: one.code, registration: other.registration },
      { email: elsewhere, otp: one.code, registration: one.registration },
      { email: elsewhere, otp: one.code },
      { email: newAddress(), otp: one.code, registration: one.registration },
      { email, otp: one.code, registration: "0".repeat(32) },
      { email, otp: "", registration: one.registration },
      { email, otp: ` ${one.code}`, registration: one.registration },
    ];
    for (const body of wrong) refused(await person.verify(body), 400, "code_invalid");
    for (const registration of ["", "x", one.registration.toUpperCase().replace(/^./, "G"), `${one.registration}0`]) {
      const problem = refused(await person.verify({ email, otp: one.code, registration }), 400, "invalid_request");
      assert.equal(problem.errors[0].field, "registration");
    }
    assert.deepEqual([...(await accountsOf(server, email)), ...(await accountsOf(server, elsewhere))], []);
  });

  test("once an address is claimed, its other codes are nothing", async () => {
    const email = newAddress();
    const one = await person.signUp(email, { password: OTHER_PASSWORD });
    const two = await person.signUp(email, { password: PASSWORD });
    const { access_token: accessToken } = granted(await person.verify({ email, otp: two.code, registration: two.registration }));
    for (const way of [{ registration: one.registration }, {}, { password: OTHER_PASSWORD }]) {
      refused(await person.verify({ email, otp: one.code, ...way }), 400, "code_invalid");
    }
    refused(await person.login(email, OTHER_PASSWORD), 401, "invalid_credentials");
    granted(await person.login(email, PASSWORD));
    assert.equal((await accountsOf(server, email)).length, 1);
    assert.equal((await person.me(accessToken)).status, 200);
  });

  test("the same code again is the same account and the same session", async () => {
    const email = newAddress();
    const { registration, code } = await person.signUp(email, { password: PASSWORD });
    const first = granted(await person.verify({ email, otp: code, registration }));
    for (const again of [{ registration }, { registration }, {}, { password: OTHER_PASSWORD }]) {
      const tokens = granted(await person.verify({ email, otp: code, ...again }));
      for (const claim of ["sub", "sid"]) assert.equal(claimsOf(tokens.access_token)[claim], claimsOf(first.access_token)[claim]);
    }
    assert.equal((await accountsOf(server, email)).length, 1);
    assert.equal((await person.sessions(first.access_token)).body.sessions.length, 1);
    granted(await person.login(email, PASSWORD));
    refused(await person.login(email, OTHER_PASSWORD), 401, "invalid_credentials");
    refused(await person.verify({ email, otp: otherThan(code), registration }), 400, "code_invalid");
  });

  test("an answer that was never read is given again", async () => {
    const email = newAddress();
    const { registration, code } = await person.signUp(email, { password: PASSWORD });
    const lost = server.fetch(`${AUTH}/verify-signup`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email, otp: code, registration }),
      signal: AbortSignal.timeout(20),
    });
    await lost.then((response) => response.body?.cancel()).catch(() => {});
    const tokens = granted(await person.verify({ email, otp: code, registration }));
    assert.equal((await accountsOf(server, email)).length, 1);
    assert.equal((await person.sessions(tokens.access_token)).body.sessions.length, 1);
    granted(await person.post("refresh", { refresh_token: tokens.refresh_token }));
  });

  test("the same code does not bring back a session that was ended", async () => {
    const email = newAddress();
    const { registration, code } = await person.signUp(email, { password: PASSWORD });
    const tokens = granted(await person.verify({ email, otp: code, registration }));
    await person.post("logout", { refresh_token: tokens.refresh_token });
    const again = await person.verify({ email, otp: code, registration });
    assert.ok(again.status >= 400 && again.status < 500, again.text);
    refused(await person.validate(tokens.access_token, "strict"), 401, "session_revoked");
  });

  test("twenty at once with the same code: one account, one session", async () => {
    const email = newAddress();
    const { registration, code } = await person.signUp(email, { password: PASSWORD });
    const answers = await Promise.all(Array.from({ length: 20 }, () => person.verify({ email, otp: code, registration })));
    const tokens = answers.map(granted);
    for (const claim of ["sub", "sid"]) {
      assert.equal(new Set(tokens.map((pair) => claimsOf(pair.access_token)[claim])).size, 1, claim);
    }
    assert.equal((await accountsOf(server, email)).length, 1);
    assert.equal((await person.sessions(tokens[0].access_token)).body.sessions.length, 1);
    for (const pair of tokens) granted(await person.post("refresh", { refresh_token: pair.refresh_token }));
    granted(await person.login(email, PASSWORD));
  });

  test("two people confirm one address at once: one of them has it", async () => {
    for (const ways of [["registration", "registration"], ["registration", "bare"], ["password", "registration"], ["bare", "bare"]]) {
      const email = newAddress();
      const attempts = [await person.signUp(email, { password: PASSWORD }), await person.signUp(email, { password: OTHER_PASSWORD })];
      const answers = await Promise.all(
        attempts.map(({ registration, code }, index) => {
          const by = { registration: { registration }, bare: {}, password: { password: PASSWORD } }[ways[index]];
          return person.verify({ email, otp: code, ...by });
        }),
      );
      assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 400], ways.join());
      assert.equal((await accountsOf(server, email)).length, 1);
      const logins = await Promise.all([PASSWORD, OTHER_PASSWORD].map((password) => person.login(email, password)));
      assert.ok(logins.filter((answer) => answer.status === 200).length <= 1);
    }
  });
});

describe("an address that has an account", () => {
  let server;
  let person;
  before(async () => {
    server = await startOpenServer();
    person = client(server);
  });
  after(() => server?.stop());

  test("is told in its mailbox, and nowhere else", async () => {
    const [known, unknown] = [newAddress(), newAddress()];
    await person.account(known);
    await untilQuiet(server);
    const answers = [];
    for (const email of [unknown, known]) {
      answers.push(await person.post("signup", { email, name: "Eve", password: OTHER_PASSWORD }));
      await person.untilMails(email, email === known ? 2 : 1);
      await untilQuiet(server);
    }
    const [free, taken] = answers.map(({ status, headers, body }) => ({
      status,
      shape: Object.entries(body).map(([name, value]) => [name, typeof value, String(value).length]),
      expiresIn: body.expires_in,
      headers: [...headers].filter(([name]) => name !== "x-request-id"),
    }));
    assert.deepEqual(taken, free);
    assert.equal(taken.status, 202);
    assert.match(answers[0].headers.get("x-postern-operations"), /^objects=\d+ d1=0 kv=0$/);

    const [notice] = await person.mails(known);
    assert.equal(notice.subject, "You already have an account");
    assert.deepEqual([notice.code, notice.link], [undefined, undefined]);
    assert.doesNotMatch(notice.text, /\d{6}/);
    refused(await person.login(known, OTHER_PASSWORD), 403, "verification_required");
    granted(await person.login(known, PASSWORD));
  });

  test("keeps its account when a code of before comes back", async () => {
    const email = newAddress();
    const early = await person.signUp(email, { password: OTHER_PASSWORD });
    const tokens = await person.account(email);
    refused(await person.verify({ email, otp: early.code, registration: early.registration }), 400, "code_invalid");
    assert.equal((await accountsOf(server, email)).length, 1);
    assert.equal((await person.me(tokens.access_token)).status, 200);
  });
});

describe("an account whose password could not be trusted", { concurrency: 4 }, () => {
  let server;
  let person;
  before(async () => {
    server = await startOpenServer();
    person = client(server);
  });
  after(() => server?.stop());

  /** Two attempts, and the code of one without a word of which: the account, its tokens and its link. */
  async function contested() {
    const email = newAddress();
    await person.signUp(email, { password: OTHER_PASSWORD });
    const { code } = await person.signUp(email, { password: PASSWORD });
    const tokens = granted(await person.verify({ email, otp: code }));
    const mails = await person.untilMails(email, 3);
    const links = mails.filter((mail) => mail.link);
    assert.equal(links.length, 1);
    return { email, code, tokens, link: links[0] };
  }

  test("has none, and a link to set one", async () => {
    const { email, tokens, link } = await contested();
    for (const password of [PASSWORD, OTHER_PASSWORD]) {
      refused(await person.login(email, password), 401, "invalid_credentials");
    }
    assert.equal(link.code, undefined);
    assert.match(link.link, /\/set-password#psl_[\w-]+$/);
    assert.equal(claimsOf(tokens.access_token).sub, (await person.me(tokens.access_token)).body.id);

    const chosen = "chosen by the owner";
    const answer = await person.post("set-password", { token: tokenOf(link), password: chosen });
    assert.deepEqual([answer.status, answer.body], [200, { success: true }]);
    granted(await person.login(email, chosen));
    for (const password of [PASSWORD, OTHER_PASSWORD]) {
      refused(await person.login(email, password), 401, "invalid_credentials");
    }
  });

  test("ends the sessions that were opened without one", async () => {
    const { tokens, link } = await contested();
    assert.equal((await person.validate(tokens.access_token, "strict")).status, 200);
    assert.equal((await person.post("set-password", { token: tokenOf(link), password: PASSWORD })).status, 200);
    const stale = await person.validate(tokens.access_token, "strict");
    assert.equal(stale.status, 401, stale.text);
    refused(await person.post("refresh", { refresh_token: tokens.refresh_token }), 401, "refresh_invalid");
  });

  test("sets it once: the same link with another password changes nothing", async () => {
    const { email, link } = await contested();
    const set = (password) => person.post("set-password", { token: tokenOf(link), password });
    assert.equal((await set(PASSWORD)).status, 200);
    const { refresh_token: refreshToken } = granted(await person.login(email, PASSWORD));
    refused(await set("the second thought"), 400, "code_invalid");
    refused(await person.login(email, "the second thought"), 401, "invalid_credentials");
    granted(await person.login(email, PASSWORD));
    granted(await person.post("refresh", { refresh_token: refreshToken }));
    assert.equal((await accountsOf(server, email))[0].version, 2);
  });

  test("sets it once: the same request again is answered again and ends no session", async () => {
    const { email, link } = await contested();
    const set = () => person.post("set-password", { token: tokenOf(link), password: PASSWORD });
    assert.equal((await set()).status, 200);
    const { refresh_token: refreshToken } = granted(await person.login(email, PASSWORD));
    assert.deepEqual((await set()).body, { success: true });
    granted(await person.post("refresh", { refresh_token: refreshToken }));
    assert.equal((await accountsOf(server, email))[0].version, 2);
  });

  test("sets one of ten passwords that come at once, and says which", async () => {
    const { email, link } = await contested();
    const passwords = Array.from({ length: 10 }, (_, index) => `one of ten passwords ${index}`);
    const answers = await Promise.all(passwords.map((password) => person.post("set-password", { token: tokenOf(link), password })));
    const accepted = passwords.filter((_, index) => answers[index].status === 200);
    assert.equal(accepted.length, 1, answers.map((answer) => answer.text).join("\n"));
    for (const password of passwords) {
      const login = await person.login(email, password);
      assert.equal(login.status, password === accepted[0] ? 200 : 401);
    }
  });

  test("takes no link but its own, and no password against the policy", async () => {
    const [one, two] = [await contested(), await contested()];
    const token = tokenOf(one.link);
    const bytes = Buffer.from(token.slice(4), "base64url");
    const turned = (index) => {
      const copy = Buffer.from(bytes);
      copy[index] ^= 1;
      return `psl_${copy.toString("base64url")}`;
    };
    const swapped = Buffer.concat([bytes.subarray(0, 17), Buffer.from(tokenOf(two.link).slice(4), "base64url").subarray(17)]);
    const wrong = ["", "psl_", "x", token.slice(0, -1), `${token}A`, token.slice(4), ` ${token}`, `prt_${token.slice(4)}`, turned(0), turned(1), turned(20), turned(48)];
    for (const candidate of [...wrong, `psl_${swapped.toString("base64url")}`]) {
      refused(await person.post("set-password", { token: candidate, password: PASSWORD }), 400, "code_invalid");
    }
    for (const password of ["short", "password123", "x".repeat(1025), "a\u0000long enough one"]) {
      const problem = refused(await person.post("set-password", { token, password }), 400, "invalid_request");
      assert.equal(problem.errors[0].field, "password");
    }
    refused(await person.login(one.email, PASSWORD), 401, "invalid_credentials");
    assert.equal((await person.post("set-password", { token, password: PASSWORD })).status, 200);
  });

  test("gets one link, however often its code is repeated", async () => {
    const { email, code } = await contested();
    await Promise.all(Array.from({ length: 5 }, () => person.verify({ email, otp: code })));
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assert.equal((await person.mails(email)).filter((mail) => mail.link).length, 1);
  });

  test("gets one link that works, when its code comes twenty times at once", async () => {
    const email = newAddress();
    await person.signUp(email, { password: OTHER_PASSWORD });
    const { code } = await person.signUp(email, { password: PASSWORD });
    const answers = await Promise.all(Array.from({ length: 20 }, () => person.verify({ email, otp: code })));
    assert.equal(new Set(answers.map((answer) => claimsOf(granted(answer).access_token).sid)).size, 1);
    await new Promise((resolve) => setTimeout(resolve, 4000));
    const links = (await person.mails(email)).filter((mail) => mail.link);
    assert.equal(links.length, 1);
    assert.equal((await person.post("set-password", { token: tokenOf(links[0]), password: PASSWORD })).status, 200);
  });
});
