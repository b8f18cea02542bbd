// The first administrator: made by a command that may be run again, without a password that anybody else has known.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { claimsOf, mails, mailTo, PASSWORD, post, refused, signUp, tokensOf, until } from "./support/people.mjs";
import { OPERATOR_TOKEN, operatorOf, startOperated } from "./support/operator.mjs";
import { ROOT } from "./support/server.mjs";

const COMMAND = join(ROOT, "pkg/bin/postern.js");
let addresses = 0;
const newAddress = () => `admin${(addresses += 1)}@example.com`;

/** What the command says and how it ends. */
async function run(args, token = OPERATOR_TOKEN) {
  const { POSTERN_OPERATOR_TOKEN: _, ...rest } = process.env;
  const env = token === null ? rest : { ...rest, POSTERN_OPERATOR_TOKEN: token };
  const command = spawn(process.execPath, [COMMAND, "bootstrap", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  let [output, errors] = ["", ""];
  command.stdout.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  command.stderr.setEncoding("utf8").on("data", (chunk) => (errors += chunk));
  const [status] = await once(command, "close");
  assert.ok(!`${output}${errors}`.includes(OPERATOR_TOKEN), "the token is shown");
  return { status, output, errors };
}

async function ran(args) {
  const { status, output, errors } = await run(args);
  assert.deepEqual([status, errors], [0, ""]);
  return output;
}

describe("bootstrap", () => {
  let server;
  let operator;
  before(async () => {
    server = await startOperated();
    operator = operatorOf(server);
  });
  after(() => server?.stop());

  const shown = async (email) => (await operator.users({ email })).users[0];
  const authorization = async (id) => (await operator.ask("GET", `/${id}/authorization`)).body;

  test("makes an administrator whose password nobody else has known, once however often it runs", async () => {
    const email = newAddress();
    const output = await ran([server.url, "--email", email.toUpperCase(), "--name", "Ada", "--role", "user", "--role", "admin", "--root"]);
    const { id, has_password, name, is_verified } = await shown(email);
    assert.ok(output.includes(id) && output.includes("is root now"), output);
    assert.deepEqual([has_password, name, is_verified], [false, "Ada", false]);
    const given = await authorization(id);
    assert.deepEqual([given.roles, given.root], [["user", "admin"], true]);

    assert.match(await ran([server.url, "--email", email, "--role", "admin", "--root"]), /: nothing to be done\n$/);
    assert.deepEqual(await authorization(id), given);

    refused(await post(server, "login", { email, password: PASSWORD }), 401, "invalid_credentials");
    const { link } = await mailTo(server, email);
    assert.equal((await post(server, "set-password", { token: new URL(link).hash.slice(1), password: PASSWORD })).status, 200);
    const { access, account } = tokensOf(await post(server, "login", { email, password: PASSWORD }));
    assert.equal(account, id);
    assert.equal(Buffer.from(claimsOf(access).pm, "base64url")[0] >> 7, 1, "root");
    await until("one line of the trail", async () => (await operator.history({ account: id }, "root_granted")).filter((line) => line.startsWith("root_granted")).length === 1);
    assert.equal((await mails(server, email)).filter((mail) => mail.link !== undefined).length, 1);
  });

  test("goes on where it was cut off, and adds what is new", async () => {
    const email = newAddress();
    const made = await operator.ask("POST", "", { body: { email, name: "Ada", send_invitation: true } });
    assert.equal(made.status, 201);
    await ran([server.url, "--email", email, "--role", "user"]);
    assert.match(await ran([server.url, "--email", email, "--role", "user", "--role", "admin"]), /has the role admin now\n$/);
    const { roles, root } = await authorization(made.body.id);
    assert.deepEqual([roles, root], [["user", "admin"], false]);
  });

  test("by four at once is one account", async () => {
    const email = newAddress();
    const runs = await Promise.all([1, 2, 3, 4].map(() => run([server.url, "--email", email, "--root"])));
    assert.ok(runs.some(({ status }) => status === 0));
    await ran([server.url, "--email", email, "--root"]);
    assert.equal((await operator.users({ email })).users.length, 1);
    assert.equal((await authorization((await shown(email)).id)).root, true);
  });

  test("takes an account whose owner has proven the address", async () => {
    const person = await signUp(server, { email: newAddress() });
    await ran([server.url, "--email", person.email, "--root"]);
    assert.equal((await authorization(person.account)).root, true);
  });

  test("gives nothing to whoever has only typed the address, nor to a restricted account", async () => {
    const squatted = newAddress();
    const made = await operator.ask("POST", "", { body: { email: squatted, name: "Eve", password: PASSWORD } });
    const banned = await signUp(server, { email: newAddress() });
    assert.equal((await operator.order(banned, "ban")).status, 200);
    await until("banned", async () => (await operator.show(banned)).status === "banned");
    const deleted = await signUp(server, { email: newAddress() });
    assert.equal((await operator.ask("DELETE", `/${deleted.account}`)).status, 200);
    await until("deleted", async () => (await shown(deleted.email)) === undefined);
    for (const [email, id, why] of [[squatted, made.body.id, "nobody has proven"], [banned.email, banned.account, "is banned"], [deleted.email, deleted.account, "deleted account"]]) {
      const { status, output, errors } = await run([server.url, "--email", email, "--root"]);
      assert.deepEqual([status, output], [1, ""], email);
      assert.ok(errors.includes(why), errors);
      assert.equal((await authorization(id)).root, false, email);
    }
  });

  test("refuses what is no order, and gives the token to no stranger", async () => {
    const email = newAddress();
    const strangers = [];
    const stranger = createServer((request, response) => response.end(JSON.stringify(strangers.push(request.headers)))).listen(0, "127.0.0.1");
    await once(stranger, "listening");
    const location = `http://127.0.0.1:${stranger.address().port}/`;
    const redirecting = createServer((_request, response) => response.writeHead(307, { location }).end()).listen(0, "127.0.0.1");
    await once(redirecting, "listening");
    try {
      for (const [args, why] of [
        [[], "usage"], [[server.url], "usage"], [[server.url, "--email", email], "usage"], [[server.url, "--root"], "usage"],
        [[server.url, "x", "--email", email, "--root"], "usage"], [[server.url, "--email", email, "--root", "--password", PASSWORD], "--password"],
        [["auth.example.com", "--email", email, "--root"], "must be an address"], [["http://auth.example.com", "--email", email, "--root"], "must be https"],
        [[`http://127.0.0.1:${redirecting.address().port}`, "--email", email, "--root"], "fetch failed"],
        [[server.url, "--email", "nobody", "--root"], "email"], [[server.url, "--email", email, "--name", "", "--root"], "name"],
      ]) {
        const { status, output, errors } = await run(args);
        assert.deepEqual([status, output], [1, ""], args.join(" "));
        assert.ok(errors.includes(why), `${args.join(" ")}: ${errors}`);
      }
      assert.deepEqual(strangers, [], "nobody else is asked");
      for (const [token, why] of [[null, "POSTERN_OPERATOR_TOKEN is not set"], ["", "POSTERN_OPERATOR_TOKEN is not set"], ["x".repeat(44), "operator_token_invalid"]]) {
        const { status, errors } = await run([server.url, "--email", email, "--root"], token);
        assert.deepEqual([status, errors.includes(why)], [1, true], errors);
      }
      const { status, errors } = await run([server.url, "--email", email, "--role", "emperor", "--root"]);
      assert.deepEqual([status, errors.includes("roles must be names")], [1, true], errors);
      assert.equal(await shown(email), undefined);
    } finally {
      redirecting.close();
      stranger.close();
    }
  });
});
