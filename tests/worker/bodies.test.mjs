// Whatever a client sends: a refusal that names what is wrong, and a Worker that goes on.

import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, checked, client, granted, newAddress, refused, startOpenServer } from "./support/accounts.mjs";

const LARGEST = 64 * 1024;

/** Every endpoint that reads a body: what it takes, and of which type. A `?` marks what may be missing. */
const ENDPOINTS = {
  signup: { email: "text", name: "text", "password?": "text" },
  "verify-signup": { email: "text", otp: "text", "registration?": "text", "password?": "text", "name?": "text" },
  "set-password": { token: "text", password: "text" },
  login: { email: "text", password: "text" },
  refresh: { refresh_token: "text" },
  logout: { "refresh_token?": "text" },
  validate: { token: "text", "mode?": "text", "permissions?": "texts", "details?": "flag" },
  "sessions/revoke-all": { "keep_current?": "flag" },
};
const MAY_BE_EMPTY = ["logout", "sessions/revoke-all"];
const NEEDS_BEARER = ["sessions/revoke-all"];

const GOOD = {
  email: "someone@example.com",
  name: "Ada",
  password: PASSWORD,
  otp: "123456",
  registration: "0".repeat(32),
  token: "x",
  refresh_token: "x",
  mode: "strict",
  permissions: [],
  details: false,
  keep_current: true,
};
const WRONG_TYPES = {
  text: [1, -0.5, true, false, [], ["x"], {}, { x: "y" }],
  texts: [1, true, "x", {}, [1], [null], ["x", {}], [["x"]]],
  flag: [0, 1, "true", "", [], {}],
};

describe("bodies", { concurrency: 4 }, () => {
  let server;
  let person;
  let email;
  let bearer;
  /** Somebody whose sessions end all the time. */
  let leaving;
  before(async () => {
    server = await startOpenServer();
    person = client(server);
    email = newAddress();
    ({ access_token: bearer } = await person.account(email));
    leaving = newAddress("leaving");
    await person.account(leaving);
  });
  after(() => server?.stop());

  /** Sends bytes as they are. */
  async function raw(name, bytes, headers = {}) {
    const authorization = NEEDS_BEARER.includes(name)
      ? { authorization: `Bearer ${granted(await person.login(leaving, PASSWORD)).access_token}` }
      : {};
    return checked(
      await server.fetch(`${AUTH}/${name}`, {
        method: "POST",
        body: bytes,
        duplex: "half",
        headers: { "content-type": "application/json", ...authorization, ...headers },
      }),
    );
  }
  const json = (name, value) => raw(name, JSON.stringify(value));

  function invalid(answer, field, context) {
    const problem = refused(answer, 400, "invalid_request");
    assert.deepEqual(problem.errors.map((error) => error.field), [field], `${context}: ${answer.text}`);
    assert.ok(problem.errors[0].rule.length > 3);
  }

  const goodBody = (fields) => {
    const body = Object.fromEntries(Object.keys(fields).map((key) => [key.replace("?", ""), GOOD[key.replace("?", "")]]));
    // Together these two are refused for another reason.
    if ("otp" in body) delete body.password;
    return body;
  };

  async function stillServes() {
    const health = await person.send("GET", "/health");
    assert.deepEqual([health.status, health.body.status], [200, "ok"]);
    granted(await person.login(email, PASSWORD));
  }

  for (const [name, fields] of Object.entries(ENDPOINTS)) {
    describe(name, { concurrency: NEEDS_BEARER.includes(name) ? 1 : 4 }, () => {
      test("nothing at all", async () => {
        if (MAY_BE_EMPTY.includes(name)) return;
        // A page refreshes by cookie and sends nothing; whoever has none misses the token.
        const missing = name === "refresh" ? "refresh_token" : "body";
        for (const bytes of ["", new Uint8Array(0), undefined]) invalid(await raw(name, bytes), missing, "empty");
        await stillServes();
      });

      test("what is not JSON", async () => {
        const texts = ["x", "{", "}", "{}x", "{}{}", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "{'a':1}", "nul", "NaN", "[1", '"', "01", " ", "\u0000", "\ufeff{}", "//{}", "email=a@b.c&password=x", '{"a":"\t"}', '{"a":"\\x"}', '{"a":1e999}'];
        for (const text of texts) invalid(await raw(name, text), "body", text);
        await stillServes();
      });

      test("what is JSON and no object", async () => {
        for (const text of ["[]", "[{}]", "1", "-1.5e3", '"x"', '""', "true", "null"]) invalid(await raw(name, text), "body", text);
      });

      test("what is not UTF-8", async () => {
        for (const bytes of ["ff", "c0af", "eda080", "f5808080", "80", "e282"]) {
          const text = Buffer.concat([Buffer.from('{"email":"'), Buffer.from(bytes, "hex"), Buffer.from('"}')]);
          invalid(await raw(name, text), "body", bytes);
        }
        invalid(await raw(name, Buffer.from('{"email":"x"}', "utf16le")), "body", "UTF-16");
      });

      test("half a character", async () => {
        for (const text of ["\\ud800", "\\udfff", "\\ud800x", "\\ud800\\u0041", "\\udc00\\ud800"]) {
          invalid(await raw(name, `{"email":"${text}"}`), "body", text);
          invalid(await raw(name, `{"${text}":1}`), "body", text);
        }
      });

      test("one name twice", async () => {
        const [field] = Object.keys(fields).map((key) => key.replace("?", ""));
        const value = JSON.stringify(GOOD[field]);
        for (const twice of [`"${field}":${value},"${field}":${value}`, `"${field}":${value},"\\u${field.charCodeAt(0).toString(16).padStart(4, "0")}${field.slice(1)}":${value}`, '"x":{"y":1,"y":2}', '"x":1,"x":1']) {
          invalid(await raw(name, `{${twice}}`), "body", twice);
        }
      });

      test("too deep", async () => {
        for (const depth of [17, 18, 1000, 10_000]) {
          invalid(await raw(name, `{"x":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`), "body", depth);
          invalid(await raw(name, '{"x":'.repeat(depth)), "body", depth);
          invalid(await raw(name, `${'{"x":'.repeat(depth)}1${"}".repeat(depth)}`), "body", depth);
        }
        invalid(await raw(name, "[".repeat(60_000)), "body", "60,000 brackets");
        await stillServes();
      });

      test("too large, however it is sent", async () => {
        const large = `{"x":"${"a".repeat(LARGEST)}"}`;
        for (const text of [large, " ".repeat(LARGEST + 1), "x".repeat(1_000_000)]) {
          refused(await raw(name, text), 413, "body_too_large");
        }
        const parts = () => new Blob(Array.from({ length: 40 }, () => " ".repeat(4000))).stream();
        refused(await raw(name, parts()), 413, "body_too_large");
        await stillServes();
      });

      test("exactly as large as may be, and one more", async () => {
        const text = JSON.stringify(goodBody(fields));
        const padded = (length) => text.padEnd(length);
        assert.notEqual((await raw(name, padded(LARGEST))).status, 413);
        refused(await raw(name, padded(LARGEST + 1)), 413, "body_too_large");
      });

      test("another type of content", async () => {
        const text = JSON.stringify(goodBody(fields));
        for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", "application/json-seq", "text/json", "application/problem+json"]) {
          refused(await raw(name, text, { "content-type": type }), 415, "unsupported_media_type");
        }
        for (const type of ["application/json; charset=utf-8", "Application/JSON"]) {
          assert.notEqual((await raw(name, text, { "content-type": type })).status, 415);
        }
      });

      for (const [key, type] of Object.entries(fields)) {
        const field = key.replace("?", "");
        test(`${field} of another type`, async () => {
          for (const value of WRONG_TYPES[type]) {
            invalid(await json(name, { ...goodBody(fields), [field]: value }), field, JSON.stringify(value));
          }
        });

        if (!key.endsWith("?")) {
          test(`${field} missing`, async () => {
            const { [field]: _, ...rest } = goodBody(fields);
            invalid(await json(name, rest), field, "missing");
            invalid(await json(name, { ...rest, [field]: null }), field, "null");
            invalid(await json(name, { ...rest, [field.toUpperCase()]: GOOD[field] }), field, "in capitals");
          });
        }

        if (type === "text") {
          test(`${field} with NUL and other characters nobody types`, async () => {
            for (const text of ["\u0000", `a\u0000b`, `${GOOD[field]}\u0000`, "\u202e\u0000x", "\u0000".repeat(1000), "a".repeat(60_000)]) {
              const answer = await json(name, { ...goodBody(fields), [field]: text });
              if (name === "logout") assert.equal(answer.status, 200);
              else assert.ok(answer.status >= 400 && answer.status < 500, `${JSON.stringify(text.slice(0, 20))}: ${answer.status} ${answer.text}`);
              assert.ok(!answer.text.includes("a".repeat(100)), "the refusal quotes what was sent");
            }
          });
        }
      }
    });
  }

  test("addresses that are none, and names that are none", async () => {
    const addresses = ["", " ", "x", "@", "a@", "@b.c", "a@b", "a@b@c.de", "a b@c.de", "a@b .de", "a..b@c.de", ".a@c.de", "a.@c.de", "a@-b.de", "a@b..de", "a@127.0.0.1", "a@[127.0.0.1]", "<a@b.de>", "a,b@c.de", "a\n@b.de", "a\u200b@b.de", "a@b.de\u0000", `${"a".repeat(65)}@b.de`, `a@${"b".repeat(64)}.de`, `a@${"b.".repeat(130)}de`];
    for (const address of addresses) {
      invalid(await json("signup", { ...GOOD, email: address }), "email", address);
      invalid(await json("login", { email: address, password: PASSWORD }), "email", address);
      invalid(await json("verify-signup", { email: address, otp: "123456" }), "email", address);
    }
    for (const name of ["", "  ", "\u0000", "a\nb", "a\u0007", "\u202eevil", "x".repeat(201)]) {
      invalid(await json("signup", { ...GOOD, name }), "name", JSON.stringify(name));
    }
  });

  test("what validate is asked about", async () => {
    for (const mode of ["", "STRICT", "none", "jwt-only", "hybrid "]) invalid(await json("validate", { token: bearer, mode }), "mode", mode);
    for (const permissions of [["docs"], ["docs:"], ["docs:unheard-of"], [""], ["*"], ["docs:*"], Array(600).fill("x:y")]) {
      invalid(await json("validate", { token: bearer, permissions }), "permissions", permissions[0]);
    }
  });

  test("a body of which more is announced than comes, or less", async () => {
    const { hostname, port } = new URL(server.url);
    const send = (headers, write) =>
      new Promise((resolve) => {
        const request = httpRequest({ hostname, port, method: "POST", path: `${AUTH}/login`, headers: { "content-type": "application/json", ...headers } });
        request.on("response", (response) => {
          response.resume();
          resolve(response.statusCode);
          request.destroy();
        });
        request.on("error", () => resolve("closed"));
        write(request);
      });
    const announced = await send({ "content-length": 1000 }, (request) => {
      request.write("{");
      setTimeout(() => request.destroy(), 300);
    });
    assert.equal(announced, "closed");
    const chunked = await send({ "transfer-encoding": "chunked" }, (request) => {
      for (let part = 0; part < 30; part += 1) request.write("[".repeat(4096));
      request.end();
    });
    assert.ok(chunked === 413 || chunked === "closed", String(chunked));
    await stillServes();
  });

  test("paths and methods that are not served", async () => {
    const missing = ["/", "/api", "/api/v1/auth", "/api/v1/auth/", "/api/v1/auth/logins", "/api/v1/auth/login/", "/API/v1/auth/login", "/api/v1/auth//login", "/api/v1/auth/sessions/", "/api/v1/auth/sessions/a/b", "/health/", "/.well-known", "/.well-known/jwks.json/", "/dev", "/dev/", "/dev/mailboxes", "/%00", "/..%2fhealth", "/a".repeat(1000)];
    for (const path of missing) {
      for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS"]) refused(await checked(await server.fetch(path, { method })), 404, "not_found");
    }
    const served = { GET: ["/health", "/.well-known/jwks.json", "/api/v1/auth/public-key", "/api/v1/auth/me/export", "/api/v1/auth/sessions"], POST: Object.keys(ENDPOINTS).map((name) => `${AUTH}/${name}`), DELETE: ["/api/v1/auth/sessions/x"] };
    for (const [method, paths] of Object.entries(served)) {
      for (const other of ["GET", "POST", "PUT", "PATCH", "DELETE"].filter((candidate) => candidate !== method)) {
        for (const path of paths) {
          const answer = await checked(await server.fetch(path, { method: other }));
          const isSession = other === "DELETE" && path.startsWith(`${AUTH}/sessions/`);
          if (isSession || (other === "PATCH" && path === `${AUTH}/me`)) {
            // For DELETE it is the id of a session; one's own profile knows PATCH.
            refused(answer, 401, "token_missing");
          } else {
            refused(answer, 405, "method_not_allowed");
            assert.ok(answer.headers.get("allow").split(", ").includes(method), `${other} ${path}`);
          }
        }
      }
    }
    await stillServes();
  });

  test("headers that are no bearer token", async () => {
    for (const authorization of ["", "Bearer", "Bearer ", "bearer\t", "Basic YTpi", bearer, `Token ${bearer}`, `Bearer, ${bearer}`]) {
      const answer = await person.send("GET", `${AUTH}/me`, { headers: authorization === "" ? {} : { authorization } });
      assert.equal(refused(answer, 401, "token_missing").status, 401, authorization);
      assert.equal(answer.headers.get("www-authenticate"), "Bearer");
    }
    assert.equal((await person.send("GET", `${AUTH}/me`, { headers: { authorization: `bEaReR ${bearer}` } })).status, 200);
  });

  test("a query instead of a body", async () => {
    const query = new URLSearchParams({ email, password: PASSWORD });
    const answer = await checked(await server.fetch(`${AUTH}/login?${query}`, { method: "POST" }));
    refused(answer, 400, "invalid_request");
    refused(await checked(await server.fetch("/dev/mailbox")), 400, "invalid_request");
  });
});
