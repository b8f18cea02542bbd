// Nobody's password is a name that they are known by: it would be the first guess.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { mailTo, PASSWORD, post, refused, tokensOf } from "./support/people.mjs";
import { newNumber } from "./support/phones.mjs";
import { operatorOf, startOperated } from "./support/operator.mjs";

const GOOD = "nine quiet herons wade";
const BREAKS = "must not be your e-mail address, your name or the service's";
let people = 0;

describe("a name of one's own", () => {
  let server;
  let operator;
  before(async () => {
    server = await startOperated({}, { registration: { usernames: "optional" }, sms: { sender: "development_mailbox" } });
    operator = operatorOf(server);
  });
  after(() => server?.stop());

  const breaks = (answer, field) => {
    refused(answer, 400, "invalid_request");
    assert.deepEqual(answer.body.errors, [{ field, rule: BREAKS }]);
  };
  /** Somebody about whom everything is known, and all of it in the spellings that people would try. */
  const somebody = () => {
    const number = (people += 1);
    const who = { email: `ada.lovelace${number}@example.com`, phone: newNumber(), username: `countess_${number}00`, name: `Ada Lovelace${number}` };
    const own = [who.email, who.email.toUpperCase(), who.email.split("@")[0], who.phone, who.phone.slice(1), who.username, who.username.toUpperCase(), who.name, who.name.replace(" ", "")];
    return { who, own };
  };
  const made = async (more = { password: PASSWORD }) => {
    const { who, own } = somebody();
    const { status, body } = await operator.ask("POST", "", { body: { ...who, ...more } });
    assert.equal(status, 201, JSON.stringify(body));
    return { who: { ...who, account: body.id }, own };
  };

  test("is no password that anybody signs up or is created with", async () => {
    const { who: { phone, ...byEmail }, own } = somebody();
    for (const password of own.filter((word) => !phone.includes(word.replace("+", "")))) breaks(await post(server, "signup", { ...byEmail, password }), "password");
    for (const password of [phone, phone.slice(1), byEmail.username]) breaks(await post(server, "signup", { phone, name: "Ada", username: byEmail.username, password }), "password");
    breaks(await post(server, "verify-signup", { email: byEmail.email, otp: "000000", username: byEmail.username, password: byEmail.username }), "password");
    for (const password of own) breaks(await operator.ask("POST", "", { body: { ...byEmail, phone, password } }), "password");
  });

  test("is none that it is changed to, by the owner or the operator", async () => {
    const { who, own } = await made();
    const { access } = tokensOf(await post(server, "login", { username: who.username, password: PASSWORD }));
    for (const password of own) {
      breaks(await post(server, "change-password", { current_password: PASSWORD, new_password: password }, { bearer: access }), "new_password");
      breaks(await operator.order(who, "set-password", { password }), "password");
    }
    tokensOf(await post(server, "login", { email: who.email, password: PASSWORD }));
  });

  test("is none that it is reset to, and neither link nor code is used up by trying", async () => {
    const { who, own } = await made();
    assert.equal((await post(server, "request-password-reset", { email: who.email })).status, 202);
    const token = new URL((await mailTo(server, who.email, "Reset your password")).link).hash.slice(1);
    for (const password of own) breaks(await post(server, "reset-password", { token, password }), "password");
    // Whose link it is, only whoever has it learns.
    const wrong = `${token.slice(0, -8)}${token.slice(-8) === "AAAAAAAA" ? "BBBBBBBB" : "AAAAAAAA"}`;
    refused(await post(server, "reset-password", { token: wrong, password: who.username }), 400, "code_invalid");
    const reset = { token, password: GOOD };
    assert.equal((await post(server, "reset-password", reset)).status, 200);
    assert.equal((await post(server, "reset-password", reset)).status, 200, "and is repeated as ever");

    assert.equal((await post(server, "request-password-reset", { phone: who.phone })).status, 202);
    const { code } = await mailTo(server, who.phone);
    for (const password of [who.username, who.email, who.phone]) breaks(await post(server, "reset-password", { phone: who.phone, otp: code, password }), "password");
    assert.equal((await post(server, "reset-password", { phone: who.phone, otp: code, password: PASSWORD })).status, 200);
  });

  test("is no first password either", async () => {
    const { who, own } = await made({ send_invitation: true });
    const token = new URL((await mailTo(server, who.email)).link).hash.slice(1);
    for (const password of own) breaks(await post(server, "set-password", { token, password }), "password");
    assert.equal((await post(server, "set-password", { token, password: GOOD })).status, 200);
    tokensOf(await post(server, "login", { username: who.username, password: GOOD }));
  });
});
