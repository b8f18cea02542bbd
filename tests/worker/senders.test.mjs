// Who carries mails: exactly what each service is told, what its answers mean, and that its key is nobody else's.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { PASSWORD, checked, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";
import { startMailService } from "./support/mail_service.mjs";
import { until } from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const FROM = "no-reply@example.com";
const BRAND = "Keep \"& Co";
const KEY = "a-key-that-only-the-service-may-see";

/** What each service is told of a sign-up code, whose texts are looked at elsewhere. */
const SERVICES = {
  http: {
    path: "/send",
    authorization: `Bearer ${KEY}`,
    letter: ({ id, to, subject, text, html, code }) => ({ id, from: FROM, to, subject, text, html, template: "sign_up_code", language: "de", code }),
    read: ({ letter }) => ({ id: letter.id, code: letter.code, ...letter }),
  },
  auth1: {
    path: "/email/send",
    authorization: `Bearer ${KEY}`,
    letter: ({ to, subject, text, html, code }) => ({
      to,
      subject,
      template: "signup_otp",
      variables: { otp: code, minutes: "10", brand_name: BRAND, language: "de", text, html },
    }),
    read: ({ headers, letter }) => ({ id: headers["idempotency-key"], code: letter.variables.otp, ...letter, ...letter.variables }),
  },
  zeptomail: {
    path: "/v1.1/email",
    authorization: `Zoho-enczapikey ${KEY}`,
    letter: ({ id, to, subject, text, html }) => ({
      from: { address: FROM, name: BRAND },
      to: [{ email_address: { address: to } }],
      subject,
      textbody: text,
      htmlbody: html,
      client_reference: id,
    }),
    read: ({ letter }) => ({ id: letter.client_reference, text: letter.textbody, html: letter.htmlbody, ...letter }),
  },
  resend: {
    path: "/emails",
    authorization: `Bearer ${KEY}`,
    letter: ({ to, subject, text, html }) => ({ from: `"Keep \\"& Co" <${FROM}>`, to: [to], subject, text, html }),
    read: ({ headers, letter }) => ({ id: headers["idempotency-key"], ...letter }),
  },
};

const codeIn = (text) => /Code lautet (\d+)\./.exec(text)[1];

for (const [sender, expected] of Object.entries(SERVICES)) {
  describe(`the sender ${sender}`, () => {
    let service;
    let server;
    let person;
    before(async () => {
      service = await startMailService();
      const url = sender === "http" ? `${service.origin}/send` : service.origin;
      const mail = { sender, url, from: FROM, brand_name: BRAND, timeout_ms: 1_000 };
      server = await startOpenServer({ vars: { mail, codes: { resend_after_seconds: 1 } }, secrets: { MAIL_API_KEY: KEY } });
      person = client(server);
    });
    after(async () => {
      await server?.stop();
      service?.stop();
    });

    const asked = async (email) => {
      const body = { email, name: "Ada", password: PASSWORD };
      const answer = await person.post("signup", body, { headers: { "accept-language": "de-AT, en;q=0.5" } });
      assert.equal(answer.status, 202, answer.text);
      return answer.body.registration;
    };
    const tries = (email, count) => until(`${count} requests`, () => service.to(email).length >= count && service.to(email), 60);

    test("is asked in its own way, and the code works", async () => {
      const email = newAddress();
      const registration = await asked(email);
      const [mail] = await tries(email, 1);
      const read = expected.read(mail);
      const code = codeIn(read.text);
      assert.deepEqual([mail.method, mail.url], ["POST", expected.path]);
      assert.equal(mail.headers.authorization, expected.authorization);
      assert.equal(mail.headers["content-type"], "application/json");
      assert.equal(mail.headers["idempotency-key"], sender === "zeptomail" ? undefined : read.id);
      assert.ok(read.id.length >= 16 && read.id !== registration);
      assert.deepEqual(mail.letter, expected.letter({ ...read, to: email, code }));
      assert.equal(read.subject, "Ihr Code für die Registrierung");
      assert.ok(read.html.includes(code) && read.html.includes("Keep &quot;&amp; Co"));
      granted(await person.verify({ email, otp: code, registration }));
    });

    test("is asked again, for the same mail, after 429, 503 and silence", async () => {
      const email = newAddress();
      service.answers.push(429, 503, "silence");
      await asked(email);
      const mails = await tries(email, 4);
      assert.equal(new Set(mails.map((mail) => expected.read(mail).id)).size, 1);
    });

    test("that refuses a mail for good is not asked again, and whoever waits for it may ask for another", async () => {
      const email = newAddress();
      await asked(email);
      const [mail] = await tries(email, 1);
      granted(await person.verify({ email, otp: codeIn(expected.read(mail).text), password: PASSWORD }));
      service.answers.push(422);
      const request = () => person.post("request-otp", { email }, { headers: { "accept-language": "de" } });
      assert.equal((await request()).status, 202);
      const [, lost] = await tries(email, 2);
      const { id } = expected.read(lost);
      const line = await until("the line in the log", () => server.logs().find(({ message }) => message.includes(id) && message.includes("given up")));
      assert.match(line.message, /refused for good with 422/);

      await until("the end of the cool-down", async () => (await request()).status === 202);
      const [, , mailed] = await tries(email, 3);
      granted(await person.post("verify-login", { email, otp: codeIn(expected.read(mailed).text) }));
      assert.equal(service.to(email).filter((again) => expected.read(again).id === id).length, 1, "asked again");
    });

    test("and the log know each other's secrets not", () => {
      const log = server.logs().map(({ message }) => message).join("\n");
      assert.ok(!log.includes(KEY), "the key is in the log");
      assert.ok(!/@example\.com/.test(log), "an address is in the log");
      assert.ok(service.received.every(({ url, letter }) => !(url + JSON.stringify(letter)).includes(KEY)));
    });
  });
}

describe("Cloudflare's Email Service", () => {
  let server;
  before(async () => {
    const mail = { sender: "cloudflare", from: FROM, brand_name: BRAND };
    server = await startOpenServer({ vars: { mail }, bindings: { send_email: [{ name: "MAIL" }] } });
  });
  after(() => server?.stop());

  test("is asked by its binding, and composes the message itself", async (t) => {
    const person = client(server);
    const email = newAddress();
    // The local runtime prints what it is asked to send, and where it has put the parts.
    let printed = "";
    for (const stream of [process.stdout, process.stderr]) {
      const write = stream.write.bind(stream);
      t.mock.method(stream, "write", (chunk, ...rest) => {
        printed += chunk;
        return write(chunk, ...rest);
      });
    }
    const { body } = await person.post("signup", { email, name: "Ada\u200dEve", password: PASSWORD });
    const message = await until("the mail", () => /MessageBuilder:[^]*?HTML: \S+\.html/.exec(printed)?.[0], 60);
    assert.ok(message.includes(`From: "Keep \\"& Co" <${FROM}>\n`), message);
    assert.match(message, new RegExp(`^To: ${email}$`, "m"));
    assert.match(message, /^Subject: Your sign-up code$/m);
    const part = (name) => readFileSync(new RegExp(`${name}: (\\S+)`).exec(message)[1], "utf8");
    const code = /code is (\d+)\./.exec(part("Text"))[1];
    assert.ok(part("HTML").includes(code));
    granted(await person.verify({ email, otp: code, registration: body.registration }));
  });
});

describe("a deployment does not start", () => {
  for (const [what, mail] of Object.entries({
    "with ZeptoMail and no key": { sender: "zeptomail", from: FROM },
    "with Resend and no key": { sender: "resend", from: FROM },
    "with Cloudflare and no binding": { sender: "cloudflare", from: FROM },
    "with a language that it has no templates of": { language: "fr" },
  })) {
    test(what, async () => {
      const server = await startServer({ vars: { mail } });
      try {
        refused(await checked(await server.fetch("/health")), 503, "misconfigured");
      } finally {
        await server.stop();
      }
    });
  }
});
