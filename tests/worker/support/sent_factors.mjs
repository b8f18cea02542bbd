// People whose second factor is a code by mail or SMS.

import assert from "node:assert/strict";

import { PASSWORD, claimsOf, newAddress } from "./accounts.mjs";
import { until } from "./people.mjs";
import { newNumber, phoneClient } from "./phones.mjs";

/** What tests do with such factors on `server`, which offers both. */
export function sentFactorClient(server) {
  const owner = phoneClient(server);
  const verify = (body, options) => owner.post("2fa/verify", body, options);
  const send = (challenge, method, options) => owner.post("2fa/send", { challenge, method }, options);
  const setUp = ({ access_token: bearer }, method, body = { current_password: PASSWORD }) => owner.post("2fa/setup", { method, ...body }, { bearer });
  /** The next code to an address or number that `ask` brings about, and what was answered. */
  const codeAfter = async (to, ask) => {
    const seen = new Set((await owner.mails(to)).map(({ text }) => text));
    const answer = await ask();
    assert.equal(answer.status, 202, answer.text);
    const mail = await until(`a code for ${to}`, async () => (await owner.mails(to)).find(({ code, text }) => code && !seen.has(text)), 60);
    assert.match(mail.code, /^\d{6}$/);
    return { ...mail, answer: answer.body };
  };
  const kinds = {
    email: async () => {
      const email = newAddress();
      return { login: { email }, to: email, shown: `${email[0]}***@example.com`, said: "otp", ...(await owner.account(email)) };
    },
    sms: async () => {
      const phone = newNumber();
      return { login: { phone }, to: phone, shown: `***${phone.slice(-2)}`, said: "sms", ...(await owner.phoneAccount(phone)) };
    },
  };
  const factors = async (me) => {
    const storage = await server.objectStorage("ACCOUNT", claimsOf(me.access_token).sub);
    const [row] = await storage.exec("SELECT record FROM account WHERE key = 'factors'");
    return { record: JSON.parse(row.record), put: (record) => storage.exec("UPDATE account SET record = ? WHERE key = 'factors'", JSON.stringify(record)) };
  };
  /** As if the last code had been sent a minute ago. */
  const aMinuteLater = async (me) => {
    const { record, put } = await factors(me);
    await put({ ...record, sent_at: record.sent_at - 60_000 });
  };
  const enrolled = async (method) => {
    const me = await kinds[method]();
    const { code, answer } = await codeAfter(me.to, () => setUp(me, method));
    assert.deepEqual(answer, { success: true, sent_to: me.shown, expires_in: 600 });
    const { status, body, text } = await verify({ method, code }, { bearer: me.access_token });
    assert.equal(status, 200, text);
    assert.equal(body.backup_codes.length, 10);
    await aMinuteLater(me);
    return { ...me, codes: body.backup_codes };
  };
  const challenge = async (me, methods) => {
    const { status, body, text } = await owner.post("login", { ...me.login, password: PASSWORD });
    assert.deepEqual([status, body.methods], [200, methods], text);
    return body.challenge;
  };
  return { owner, verify, send, setUp, codeAfter, kinds, factors, aMinuteLater, enrolled, challenge };
}
