// How SMS leave: by Twilio, by a plain HTTP service, or not at all. What the service will never take is given up, what it
// cannot take now comes later, and no log says a number or a code.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";

import { OUT_OF_THE_WAY, PASSWORD, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { until } from "./support/people.mjs";
import { newNumber } from "./support/phones.mjs";
import { overlaid, startServer } from "./support/server.mjs";

const ACCOUNT = "AC0123456789abcdef0123456789abcdef";
const TOKEN = "the token of the account";
/** Every route that has to do with phones. */
const ROUTES = [
  "signup", "verify-signup", "request-otp", "verify-login", "request-password-reset", "reset-password",
  "request-phone-verification", "verify-phone", "request-phone-change", "confirm-phone-change",
];

/** A service that answers what `answer` says: `[status, body]`, for each request. */
class SmsService {
  answer = () => [201, "{}"];
  requests = [];
  #server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const { url: path, headers } = request;
    this.requests.push({ path, headers, body });
    const [status, text] = this.answer(body);
    response.writeHead(status, { "content-type": "application/json" }).end(text);
  });

  async start() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** A server that sends by a service on this machine. */
function world(sms, secrets = {}) {
  const of = { service: new SmsService() };
  before(async () => {
    const url = await of.service.start();
    of.server = await startOpenServer({ vars: { sms: sms(url) }, secrets });
    of.person = client(of.server);
  });
  after(async () => {
    await of.server?.stop();
    of.service.stop();
  });
  of.signUp = async (phone) => {
    const { status, body, text } = await of.person.post("signup", { phone, name: "Ada", password: PASSWORD });
    assert.equal(status, 202, text);
    return body;
  };
  /** The requests about a number, in any of the two encodings. */
  of.about = (phone) => of.service.requests.filter(({ body }) => body.includes(phone.slice(1)));
  of.untilSent = (phone, count) => until(`${count} requests`, () => of.about(phone).length >= count && of.about(phone), 60);
  of.logged = () => of.server.logs().map(({ message }) => message).join("\n");
  return of;
}

describe("by Twilio", () => {
  const it = world((url) => ({ sender: "twilio", url, account_sid: ACCOUNT, from: "My Shop" }), { TWILIO_AUTH_TOKEN: TOKEN });

  test("an SMS is one message of the account, as its API takes it", async () => {
    const phone = newNumber();
    const { registration } = await it.signUp(phone);
    const [{ path, headers, body }] = await it.untilSent(phone, 1);
    assert.equal(path, `/2010-04-01/Accounts/${ACCOUNT}/Messages.json`);
    assert.equal(headers.authorization, `Basic ${Buffer.from(`${ACCOUNT}:${TOKEN}`).toString("base64")}`);
    assert.equal(headers["content-type"], "application/x-www-form-urlencoded");
    const form = Object.fromEntries(new URLSearchParams(body));
    assert.deepEqual(Object.keys(form), ["To", "From", "Body"]);
    assert.deepEqual([form.To, form.From], [phone, "My Shop"]);
    const [, otp] = /^(\d{6}) is your code to sign up at localhost:8787, for 10 minutes\. Give it to nobody\.$/.exec(form.Body);
    granted(await it.person.verify({ phone, otp, registration }));
  });

  test("a number that is none is given up, with a word in the log that says neither number nor code", async () => {
    const phone = newNumber();
    const refusal = JSON.stringify({ code: 21211, message: `The 'To' number ${phone} is not a valid phone number.`, status: 400 });
    it.service.answer = (body) => (body.includes(phone.slice(1)) ? [400, refusal] : [201, "{}"]);
    await it.signUp(phone);
    await until("the log", () => it.logged().includes("is refused for good: 400, code 21211"), 60);
    const [{ body }] = it.about(phone);
    const other = newNumber();
    await it.signUp(other);
    await it.untilSent(other, 1);
    assert.equal(it.about(phone).length, 1, "it was tried again");
    const [code] = /\d{6}/.exec(new URLSearchParams(body).get("Body"));
    for (const secret of [phone.slice(1), code, TOKEN]) assert.ok(!it.logged().includes(secret), "a log says too much");
  });

  test("a service that is down, limited, or does not know us yet gets it later", async () => {
    for (const status of [503, 429, 401]) {
      const phone = newNumber();
      it.service.answer = () => [status, `{"code": 20003, "message": "${phone}"}`];
      await it.signUp(phone);
      await it.untilSent(phone, 1);
      it.service.answer = () => [201, "{}"];
      const [first, second] = await it.untilSent(phone, 2);
      assert.equal(first.body, second.body);
      assert.equal(first.headers["idempotency-key"], second.headers["idempotency-key"]);
      assert.ok(!it.logged().includes(phone.slice(1)));
    }
  });
});

describe("by Twilio, with a service that chooses the sender", () => {
  const service = "MG0123456789abcdef0123456789abcdef";
  const it = world((url) => ({ sender: "twilio", url: `${url}/`, account_sid: ACCOUNT, from: service }), { TWILIO_AUTH_TOKEN: TOKEN });

  test("the service is named in place of a sender", async () => {
    const phone = newNumber();
    await it.signUp(phone);
    const [{ path, body }] = await it.untilSent(phone, 1);
    assert.equal(path, `/2010-04-01/Accounts/${ACCOUNT}/Messages.json`);
    const form = Object.fromEntries(new URLSearchParams(body));
    assert.deepEqual([Object.keys(form), form.MessagingServiceSid], [["To", "MessagingServiceSid", "Body"], service]);
  });
});

describe("by HTTP", () => {
  const it = world((url) => ({ sender: "http", url: `${url}/send`, prefixes: ["+4915", "+1"] }));

  test("an SMS is a JSON object with its id, number, text and code", async () => {
    const phone = newNumber();
    await it.signUp(phone);
    const [{ path, headers, body }] = await it.untilSent(phone, 1);
    const { id, to, text, code, ...rest } = JSON.parse(body);
    assert.deepEqual([path, to, rest], ["/send", phone, { language: "en" }]);
    assert.equal(headers["content-type"], "application/json");
    assert.equal(headers["idempotency-key"], id);
    assert.ok(text.startsWith(`${code} is your code`));
  });

  test("is written in the language of the request, unless the owner of the number has chosen one", async () => {
    const phone = newNumber();
    const asks = (language, route, body = {}) => it.person.post(route, { phone, ...body }, { headers: { "accept-language": language } });
    const newest = async (count) => JSON.parse((await it.untilSent(phone, count)).at(-1).body);
    const { body: { registration } } = await asks("de-AT, en;q=0.5", "signup", { name: "Ada", password: PASSWORD });
    const { text, code } = await newest(1);
    assert.equal(text, `${code} ist Ihr Code zum Registrieren bei localhost:8787, 10 Minuten lang. Geben Sie ihn niemandem.`);
    const { access_token: bearer } = granted(await it.person.verify({ phone, otp: code, registration }));
    await asks("xx", "request-otp");
    assert.ok((await newest(2)).text.includes("is your code to sign in"), "there is no such language");

    // What happened to the account says the owner's language alone.
    assert.equal((await it.person.send("PATCH", "/api/v1/auth/me", { body: { locale: "de-CH" }, bearer })).status, 200);
    await it.person.post("change-password", { current_password: PASSWORD, new_password: "another long password" }, { bearer, headers: { "accept-language": "en" } });
    assert.ok((await newest(3)).text.startsWith("localhost:8787: Ihr Passwort wurde geändert."));
    await asks("en", "request-password-reset");
    assert.ok((await newest(4)).text.includes("Ihr Code für ein neues Passwort"));
  });

  test("numbers of other countries are refused before anything else happens", async () => {
    for (const phone of ["+447911123456", "+4916012345678"]) {
      const problem = refused(await it.person.post("signup", { phone, name: "Ada" }), 400, "invalid_request");
      assert.deepEqual(problem.errors, [{ field: "phone", rule: "is of a country that is not served" }]);
      refused(await it.person.post("request-otp", { phone }), 400, "invalid_request");
      // It costs no SMS, and whoever has such a number from before gets in.
      refused(await it.person.post("login", { phone, password: PASSWORD }), 401, "invalid_credentials");
    }
  });
});

describe("without anybody who carries SMS", () => {
  const it = world(() => ({ sender: "none" }));

  test("phones are for nothing but logging in with a password", async () => {
    const phone = newNumber();
    const { access_token: bearer } = await it.person.account(newAddress());
    for (const route of ROUTES) {
      const body = { phone, otp: "123456", name: "Ada", password: PASSWORD };
      refused(await it.person.post(route, body, { bearer }), 403, "feature_disabled");
    }
    refused(await it.person.post("login", { phone, password: PASSWORD }), 401, "invalid_credentials");
  });
});

test("Twilio's account without its token is a misconfiguration", async () => {
  const sms = { sender: "twilio", account_sid: ACCOUNT, from: "+12025550123" };
  const server = await startServer({ vars: overlaid(OUT_OF_THE_WAY, { sms }) });
  try {
    refused(await client(server).post("login", { email: newAddress(), password: PASSWORD }), 503, "misconfigured");
    await until("the log", () => server.logs().some(({ message }) => message.includes("TWILIO_AUTH_TOKEN")));
  } finally {
    await server.stop();
  }
});
