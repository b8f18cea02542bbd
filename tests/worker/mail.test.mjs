// What mails say and in which language, the welcome, and the development mailbox in a browser.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { inBrowser } from "../../pkg/test/support/browser.mjs";
import { PASSWORD, client, granted, newAddress, startOpenServer } from "./support/accounts.mjs";
import { settled, tokensOf, until } from "./support/people.mjs";

const HOSTILE = "<script>document.title='hacked'</script>{{link}}";

describe("mails", () => {
  let server;
  let person;
  before(async () => {
    const mail = {
      welcome: true,
      brand_name: "Keep <&> Co",
      brand_color: "#aa0000",
      logo_url: "https://example.com/logo.png?a=1&b=2",
      support_address: "help@example.com",
    };
    server = await startOpenServer({ vars: { mail, sign_in: { creates_accounts: true } } });
    person = client(server);
  });
  after(() => server?.stop());

  const asked = async (route, email, language) => {
    const headers = language === undefined ? {} : { "accept-language": language };
    const answer = await person.post(route, { email, ...(route === "signup" ? { name: HOSTILE, password: PASSWORD } : {}) }, { headers });
    assert.equal(answer.status, 202, answer.text);
    return answer.body;
  };
  const mailOf = async (email, subject) =>
    until(`${subject} for ${email}`, async () => (await person.mails(email)).find((mail) => mail.subject === subject), 60);

  test("are written in the language that the request would like best, or that of the configuration", async () => {
    for (const [wished, language, subject] of [
      ["de", "de", "Ihr Code für die Registrierung"],
      ["fr;q=0.9, de-CH;q=0.8, en;q=0.1", "de", "Ihr Code für die Registrierung"],
      ["fr", "en", "Your sign-up code"],
      [undefined, "en", "Your sign-up code"],
      ["de;q=nonsense\t,,;", "en", "Your sign-up code"],
    ]) {
      const email = newAddress();
      await asked("signup", email, wished);
      const mail = await mailOf(email, subject);
      assert.equal(mail.language, language);
      assert.ok(mail.html.includes(`<html lang="${language}">`));
    }
  });

  test("are written in the language that their owner has chosen, whatever the request says", async () => {
    const email = newAddress();
    const tokens = await person.account(email);
    const answer = await person.send("PATCH", "/api/v1/auth/me", { body: { locale: "de-CH" }, bearer: tokens.access_token });
    assert.equal(answer.status, 200, answer.text);
    await asked("request-otp", email, "en");
    assert.equal((await mailOf(email, "Ihr Code für die Anmeldung")).language, "de");
    const change = { current_password: PASSWORD, new_password: `${PASSWORD}, twice` };
    assert.equal((await person.post("change-password", change, { bearer: tokens.access_token })).status, 200);
    await mailOf(email, "Ihr Passwort wurde geändert");
  });

  test("show whose they are, escaped in HTML and never in text", async () => {
    const email = newAddress();
    await asked("signup", email, "en");
    const mail = await mailOf(email, "Your sign-up code");
    assert.ok(mail.text.endsWith("\n-- \nKeep <&> Co\nQuestions? Write to help@example.com.\n"), mail.text);
    assert.ok(mail.html.includes('<img src="https://example.com/logo.png?a=1&amp;b=2" alt="Keep &lt;&amp;&gt; Co"'), mail.html);
    assert.ok(mail.html.includes("border-top:4px solid #aa0000"));
    assert.ok(mail.html.includes(mail.code) && mail.html.includes("Questions? Write to help@example.com."));
    assert.doesNotMatch(mail.text + mail.html, /\{\{|\}\}/);
  });

  test("welcome a new account once, by the name that its owner chose, as text and never as anything else", async () => {
    const email = newAddress();
    const { registration } = await asked("signup", email, "de");
    const { code: otp } = await mailOf(email, "Ihr Code für die Registrierung");
    const headers = { "accept-language": "de" };
    const verify = () => person.post("verify-signup", { email, otp, registration }, { headers });
    const first = await verify();
    granted(first);
    // Whoever lost the answer asks again.
    granted(await verify());
    const mail = await mailOf(email, "Willkommen");
    assert.ok(mail.text.startsWith(`Guten Tag ${HOSTILE},`), mail.text);
    assert.ok(!mail.html.includes("<script"));
    assert.ok(mail.html.includes("&lt;script&gt;document.title=&#39;hacked&#39;&lt;/script&gt;{{link}}"), mail.html);

    granted(await person.login(email, PASSWORD));
    await settled(server, tokensOf(first));
    assert.equal((await person.mails(email)).filter(({ subject }) => subject === "Willkommen").length, 1);
  });

  test("welcome an account that a login by mail has made", async () => {
    const email = newAddress();
    await asked("request-otp", email);
    const { code: otp } = await mailOf(email, "Your code to sign in");
    granted(await person.post("verify-login", { email, otp }));
    const mail = await mailOf(email, "Welcome");
    assert.equal(mail.language, "en");
  });

  describe("in the development mailbox", () => {
    const page = async (path) => {
      const response = await server.fetch(path, { headers: { accept: "text/html,application/xhtml+xml" } });
      return { status: response.status, headers: response.headers, text: await response.text() };
    };

    test("are JSON, unless a browser asks", async () => {
      const email = newAddress();
      await asked("signup", email);
      await mailOf(email, "Your sign-up code");
      const { status, headers, text } = await page("/dev/mailbox");
      assert.equal(status, 200);
      assert.equal(headers.get("content-type"), "text/html; charset=utf-8");
      const policy = headers.get("content-security-policy");
      assert.match(policy, /^default-src 'none'; style-src 'unsafe-inline'; img-src https: http:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/);
      assert.ok(text.includes(email) && text.includes("Your sign-up code"));
      const other = newAddress();
      assert.ok(!(await page(`/dev/mailbox?to=${other}`)).text.includes(email));
      assert.equal((await page("/dev/mailbox?mail=nobody/1/2")).status, 404);
    });

    test("cannot run what a name says", async () => {
      const { text: listed } = await page("/dev/mailbox");
      const links = [...listed.matchAll(/href="(\/dev\/mailbox\?mail=[^"]+)">(Willkommen|Welcome)</g)];
      assert.ok(links.length >= 2);
      for (const [, link] of links) {
        const { text } = await page(link.replaceAll("&amp;", "&"));
        assert.ok(!text.includes("<script"), text);
        assert.match(text, /<iframe sandbox title="HTML" srcdoc="/);
      }
    });

    inBrowser("are shown by a browser: text, a frame without scripts, and the way back", async (t) => {
      const { chromium } = await import("playwright-core");
      const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
      t.after(() => browser.close());
      const tab = await browser.newPage();
      const problems = [];
      tab.on("pageerror", (error) => problems.push(String(error)));
      tab.on("dialog", (dialog) => problems.push(dialog.message()));
      await tab.goto(`${server.url}/dev/mailbox`);
      assert.equal(await tab.title(), "Mailbox");
      await tab.click("text=Willkommen");
      await tab.waitForURL(/\?mail=/);
      assert.equal(await tab.title(), "Willkommen");
      assert.ok((await tab.textContent("pre")).startsWith(`Guten Tag ${HOSTILE},`));
      const frame = tab.frameLocator("iframe");
      assert.ok((await frame.locator("p").first().textContent()).includes(HOSTILE));
      assert.equal(await frame.locator("html").getAttribute("lang"), "de");
      if (process.env.SCREENSHOTS) await tab.screenshot({ path: `${process.env.SCREENSHOTS}/mail.png`, fullPage: true });
      await tab.click("text=All mails");
      await tab.waitForURL(/\/dev\/mailbox$/);
      if (process.env.SCREENSHOTS) await tab.screenshot({ path: `${process.env.SCREENSHOTS}/mailbox.png`, fullPage: true });
      assert.equal(await tab.title(), "Mailbox");
      assert.deepEqual(problems, []);
    });
  });
});
