// Accounts of other systems: imported by the operator's command into the database of a running server, with hashes of
// every kind; people log in with their old passwords, and leave a hash of ours behind.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createCipheriv, pbkdf2Sync, randomBytes, scryptSync } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";

import { argon2d, argon2i, argon2id, bcrypt } from "hash-wasm";

import { PASSWORD, claimsOf, client, granted, observed, refused } from "./support/accounts.mjs";
import { relaxed, until, untilQuiet } from "./support/people.mjs";
import { ROOT, overlaid, startPersistentServer, startServer } from "./support/server.mjs";

const COMMAND = join(ROOT, "target/debug/postern");
const ACCOUNTS = 10_000;
const LOGINS_OF_A_KIND = 24;
const SIGNER_KEY = randomBytes(64);
const FIREBASE = { rounds: 2, mem_cost: 4, base64_salt_separator: "Bw==" };
/** A hash as the Worker makes it, with the parameters of `relaxed` and a pepper. */
const OURS = /^\$argon2id\$v=19\$m=64,t=1,p=1,keyid=/;

const unpadded = (bytes) => Buffer.from(bytes).toString("base64").replace(/=+$/, "");
const argon2 = (hash, password, more = {}) =>
  hash({ password, salt: randomBytes(16), parallelism: 1, iterations: 1, memorySize: 32, hashLength: 32, outputType: "encoded", ...more });

/** What other systems store, each made by an implementation that shares no line with ours. */
const KINDS = {
  argon2id: async (password) => ({ password_hash: await argon2(argon2id, password) }),
  "argon2id, padded": async (password) => {
    const [, name, version, params, salt, hash] = (await argon2(argon2id, password)).split("$");
    return { password_hash: `$${name}$${version}$${params}$${salt}==$${hash}=` };
  },
  argon2i: async (password) => ({ password_hash: await argon2(argon2i, password) }),
  argon2d: async (password) => ({ password_hash: await argon2(argon2d, password), hash_format: "argon2" }),
  bcrypt: async (password) => ({ password_hash: await bcrypt({ password, salt: randomBytes(16), costFactor: 4, outputType: "encoded" }) }),
  "bcrypt of PHP": async (password) => {
    const hash = await bcrypt({ password, salt: randomBytes(16), costFactor: 5, outputType: "encoded" });
    return { password_hash: hash.replace(/^\$2.\$/, "$2y$"), hash_format: "bcrypt" };
  },
  scrypt: async (password) => {
    const salt = randomBytes(16);
    return { password_hash: `$scrypt$ln=4,r=8,p=1$${unpadded(salt)}$${unpadded(scryptSync(password, salt, 32, { N: 16 }))}` };
  },
  "Better Auth": async (password) => {
    const salt = randomBytes(16).toString("hex");
    const hash = scryptSync(password, salt, 64, { N: 16_384, r: 16, p: 1, maxmem: 64 * 1024 * 1024 });
    return { password_hash: `${salt}:${hash.toString("hex")}` };
  },
  Firebase: async (password) => {
    const salt = randomBytes(10);
    const separator = Buffer.from(FIREBASE.base64_salt_separator, "base64");
    const key = scryptSync(password, Buffer.concat([salt, separator]), 32, { N: 2 ** FIREBASE.mem_cost, r: FIREBASE.rounds, p: 1 });
    const hash = createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(SIGNER_KEY);
    return { password_hash: hash.toString("base64"), password_salt: salt.toString("base64"), hash_format: "firebase_scrypt" };
  },
  PBKDF2: async (password) => {
    const salt = randomBytes(16);
    return { password_hash: `$pbkdf2-sha512$i=100$${unpadded(salt)}$${unpadded(pbkdf2Sync(password, salt, 100, 64, "sha512"))}` };
  },
  Django: async (password) => {
    const salt = randomBytes(12).toString("hex");
    return { password_hash: `pbkdf2_sha256$1000$${salt}$${pbkdf2Sync(password, salt, 1000, 32, "sha256").toString("base64")}` };
  },
  "ASP.NET Core Identity": async (password) => {
    const salt = randomBytes(16);
    const head = Buffer.from([1, 0, 0, 0, 1, 0, 0, 0, 100, 0, 0, 0, 16]);
    const blob = Buffer.concat([head, salt, pbkdf2Sync(password, salt, 100, 32, "sha256")]);
    return { password_hash: blob.toString("base64"), hash_format: "aspnet_identity" };
  },
  "ASP.NET Identity": async (password) => {
    const salt = randomBytes(16);
    const blob = Buffer.concat([Buffer.from([0]), salt, pbkdf2Sync(password, salt, 1000, 32, "sha1")]);
    return { password_hash: blob.toString("base64"), hash_format: "aspnet_identity" };
  },
};

/** A number as people write it. */
const numberOf = (index) => `+49 150-${String(index).padStart(8, "0")}`;

/** Runs the operator's command as it is shipped. */
const postern = (...args) => posternBehind([], ...args);

/** The same, with programs of these folders before all others. */
async function posternBehind(folders, ...args) {
  assert.ok(existsSync(COMMAND), `${COMMAND} is missing: run "cargo build --package postern"`);
  const path = [...folders, join(ROOT, "node_modules/.bin"), process.env.PATH].join(delimiter);
  const child = spawn(COMMAND, args, { cwd: ROOT, env: { ...process.env, PATH: path } });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk) => (out += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk) => (err += chunk));
  const [code] = await once(child, "close");
  return { code, out, err };
}

/** Does something for each item, a few at a time. */
async function each(items, action) {
  const left = [...items];
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await action(item);
  }));
}

const ACCEPTING = {
  registration: { usernames: "optional" },
  permissions: { names: ["docs:read"], roles: { user: ["docs:read"], admin: ["docs:read"] }, default_role: "user" },
  passwords: { imported: ["argon2", "bcrypt", "scrypt", "pbkdf2"], failure_floor_ms: 10 },
};

describe("an import", () => {
  let server;
  let person;
  let folder;
  let people;
  before(async () => {
    server = await startPersistentServer({
      vars: overlaid(relaxed(), ACCEPTING),
      secrets: { POSTERN_FIREBASE_SIGNER_KEY: SIGNER_KEY.toString("base64") },
    });
    person = client(server);
    folder = mkdtempSync(join(tmpdir(), "postern-import-"));
    writeFileSync(join(folder, "firebase.json"), JSON.stringify(FIREBASE));
    people = await everybody();
    writeFileSync(join(folder, "people.jsonl"), people.map(({ line }) => `${JSON.stringify(line)}\n`).join(""));
  });
  after(async () => {
    await server?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** As many people as an import has; those of one kind beyond the first two dozen share a hash. */
  async function everybody() {
    const kinds = Object.keys(KINDS);
    const shared = new Map();
    const made = [];
    for (let index = 0; index < ACCOUNTS; index += 1) {
      const kind = kinds[index % kinds.length];
      const logsIn = index < kinds.length * LOGINS_OF_A_KIND;
      const password = logsIn ? `pässwörd ☃ of ${index}` : `a password of ${kind}`;
      if (!logsIn && !shared.has(kind)) shared.set(kind, await KINDS[kind](password));
      const hash = logsIn ? await KINDS[kind](password) : shared.get(kind);
      const line = { id: `user-${index}`, email: `Imported.${index}@Example.com`, ...hash };
      if (index % 3 === 0) Object.assign(line, { name: `O'Neil; the ${index}th -- "quoted" 🔑`, email_verified: true, roles: ["admin"] });
      if (index % 5 === 0) line.created_at = 1_600_000_000_000 + index;
      if (index % 7 === 0) line.username = `imported_${index}`;
      if (index % 11 === 0) Object.assign(line, { phone: numberOf(index), phone_verified: index % 2 === 0 });
      made.push({ kind, password, logsIn, line, email: line.email.toLowerCase() });
    }
    return made;
  }

  const run = (file, ...more) =>
    postern("import", join(folder, file), "--local", "--config", server.config, "--persist-to", server.persistTo, "--firebase-hash-config", join(folder, "firebase.json"), ...more);

  /** Rows of the directory on disk, beside the server that has it open. */
  function rows(query, ...values) {
    const d1 = join(server.persistTo, "v3/d1/miniflare-D1DatabaseObject");
    const [name] = readdirSync(d1).filter((file) => file.endsWith(".sqlite") && !file.startsWith("metadata"));
    const database = new DatabaseSync(join(d1, name), { readOnly: true });
    try {
      return database.prepare(query).all(...values).map((row) => ({ ...row }));
    } finally {
      database.close();
    }
  }
  const everything = () =>
    ["identifiers", "users", "credentials"].map((table) => rows(`SELECT * FROM ${table} ORDER BY 1, 2, 3`));
  const hashOf = (email) =>
    rows("SELECT c.password_hash FROM identifiers i JOIN credentials c ON c.account_id = i.account_id WHERE i.value = ?", email)[0].password_hash;

  test("that is only tried writes nothing", async () => {
    const { code, out, err } = await run("people.jsonl", "--dry-run");
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, new RegExp(`^${ACCOUNTS} accounts could be imported; nothing was written$`, "m"));
    assert.match(out, /^\d+ hashes \$2y\$05$/m);
    assert.deepEqual(everything(), [[], [], []]);
  });

  test("with a broken line is refused as a whole, and every broken line is named without what it says", async () => {
    const good = people.slice(0, 3).map(({ line }) => JSON.stringify(line));
    const secret = "$2b$31$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG";
    const lines = [...good, "not json", JSON.stringify({ email: "secret.address@example.com", password_hash: secret }), good[0], '{"email": "nobody"}'];
    writeFileSync(join(folder, "broken.jsonl"), lines.join("\n"));
    const { code, out, err } = await run("broken.jsonl");
    assert.deepEqual([code, out], [1, ""]);
    const [json, hash, id, email, phone, name, address, total] = err.trim().split("\n");
    assert.equal(json, "line 4: is not JSON");
    assert.equal(hash, "line 5: password_hash: costs more or less than a login may");
    assert.deepEqual([id, email, phone, name], ["id", "email", "phone", "username"].map((member) => `line 6: ${member}: is that of line 1, too`));
    assert.match(address, /^line 7: email: /);
    assert.equal(total, "7 broken rules; nothing was imported");
    for (const shown of [secret, "secret.address", "imported.0", "nobody"]) assert.ok(!err.toLowerCase().includes(shown), shown);
    assert.deepEqual(everything(), [[], [], []]);
  });

  test("creates ten thousand accounts with hashes of every kind", async () => {
    const { code, out, err } = await run("people.jsonl");
    assert.deepEqual([code, err], [0, ""], out);
    assert.match(out, new RegExp(`^${ACCOUNTS} accounts created, 0 were there already, 0 left out$`, "m"));
    const [identifiers, users, credentials] = everything();
    const [named, numbered] = ["username", "phone"].map((member) => people.filter(({ line }) => line[member] !== undefined).length);
    assert.deepEqual([identifiers.length, users.length, credentials.length], [ACCOUNTS + named + numbered, ACCOUNTS, ACCOUNTS]);
    assert.equal(rows("SELECT count(*) AS names FROM owner_names WHERE owner_kind = 'account'")[0].names, named);
    const byEmail = new Map(users.map((user) => [user.email, user]));
    for (const { line, email } of people) {
      const user = byEmail.get(email);
      assert.deepEqual([user.name, user.roles, user.username, user.phone, user.status, user.tenant], [line.name ?? email.split("@")[0], JSON.stringify(line.roles ?? ["user"]), line.username ?? null, line.phone?.replace(/[ -]/g, "") ?? null, "active", "default"]);
      if (line.created_at !== undefined) assert.equal(user.created_at, line.created_at);
    }
    const verified = identifiers.filter((identifier) => identifier.verified_at !== null).length;
    assert.equal(verified, people.filter(({ line }) => line.email_verified).length + people.filter(({ line }) => line.phone_verified).length);
    const [{ audited }] = rows("SELECT count(*) AS audited FROM audit_events WHERE event = 'account_imported'");
    assert.equal(audited, ACCOUNTS);
  });

  test("lets everybody in with the password of before, once with the old hash and then with ours", async () => {
    const sample = people.filter(({ logsIn }) => logsIn);
    assert.equal(sample.length, Object.keys(KINDS).length * LOGINS_OF_A_KIND);
    await each(sample, async ({ email, password }) => {
      refused(await person.login(email, `${password}!`), 401, "invalid_credentials");
      granted(await person.login(email, password));
    });
    // A hash is stored after the answer.
    const ours = "SELECT count(*) AS n FROM credentials WHERE password_hash LIKE '$argon2id$v=19$m=64,t=1,p=1,keyid=%'";
    await until("every hash is replaced", () => rows(ours)[0].n === sample.length);
    for (const { email, kind } of sample) assert.match(hashOf(email), OURS, kind);
    await each(sample, async ({ email, password }) => granted(await person.login(email, password.normalize("NFD"))));
    for (const { email, password, kind, line } of sample.slice(0, Object.keys(KINDS).length)) {
      refused(await person.login(email, password.slice(1)), 401, "invalid_credentials");
      const me = (await person.me(granted(await person.login(email, password)).access_token)).body;
      assert.deepEqual([me.email, me.name], [email, line.name ?? email.split("@")[0]], kind);
      if (line.phone === undefined) continue;
      assert.equal(me.is_phone_verified, line.phone_verified);
      granted(await person.post("login", { phone: line.phone, password }));
    }
    // Everybody else has, byte for byte, the hash of somebody of their kind who gets in by it.
    const others = Map.groupBy(people.filter(({ logsIn }) => !logsIn), ({ kind }) => kind);
    assert.deepEqual([...others.keys()].sort(), Object.keys(KINDS).sort());
    const stored = new Map(rows("SELECT i.value, c.password_hash FROM identifiers i JOIN credentials c ON c.account_id = i.account_id WHERE i.kind = 'email'").map((row) => [row.value, row.password_hash]));
    for (const [kind, [first, ...rest]] of others) {
      assert.deepEqual([...new Set(rest.map(({ email }) => stored.get(email)))], [stored.get(first.email)], kind);
      granted(await person.login(first.email, first.password));
    }
    await until("their hashes are replaced, too", () => rows(ours)[0].n === sample.length + others.size);
    const { password_hash: untouched } = rows("SELECT password_hash FROM credentials WHERE password_hash LIKE '$2y$%' LIMIT 1")[0];
    assert.match(untouched, /^\$2y\$05\$/);
  });

  test("that is repeated changes nothing, whatever the accounts have become", async () => {
    // When somebody last logged in is written by the queue, perhaps while this runs.
    const lasting = () => everything().map((table) => table.map(({ last_login_at: _, ...row }) => row));
    const before = lasting();
    const { code, out } = await run("people.jsonl");
    assert.equal(code, 0, out);
    assert.match(out, new RegExp(`^0 accounts created, ${ACCOUNTS} were there already, 0 left out$`, "m"));
    assert.deepEqual(lasting(), before);
  });

  test("leaves an account alone that has the address already, and says on which line", async () => {
    const email = "was.here.before@example.com";
    await person.account(email);
    const before = rows("SELECT * FROM credentials WHERE account_id = (SELECT account_id FROM identifiers WHERE value = ?)", email);
    const lines = [
      { id: "intruder", email, ...(await KINDS.bcrypt("the intruder's password")) },
      { id: "impostor", email: "impostor@example.com", username: "imported_0" },
      { id: "caller", name: "Eve", phone: numberOf(0) },
      { id: "newcomer", email: "newcomer@example.com", ...(await KINDS.bcrypt("the newcomer's password")) },
    ];
    writeFileSync(join(folder, "late.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const { code, out, err } = await run("late.jsonl");
    assert.equal(code, 2, out + err);
    const left = (line) => `line ${line}: an address, number or name belongs to another account; the line was left out\n`;
    assert.equal(err, left(1) + left(2) + left(3));
    assert.match(out, /^1 accounts created, 0 were there already, 3 left out$/m);
    assert.deepEqual(rows("SELECT * FROM credentials WHERE account_id = (SELECT account_id FROM identifiers WHERE value = ?)", email), before);
    refused(await person.login(email, "the intruder's password"), 401, "invalid_credentials");
    granted(await person.login(email, PASSWORD));
    granted(await person.login("newcomer@example.com", "the newcomer's password"));
    const again = await run("late.jsonl");
    assert.match(again.out, /^0 accounts created, 1 were there already, 3 left out$/m);
  });

  test("refuses what it does not understand, and says what a deployment does not accept", async () => {
    writeFileSync(join(folder, "narrow.json"), JSON.stringify({ vars: { POSTERN: { issuer: "https://auth.example.com" } } }));
    writeFileSync(join(folder, "one.jsonl"), JSON.stringify({ email: "one@example.com", ...(await KINDS.bcrypt("x")) }));
    const narrow = await postern("import", join(folder, "one.jsonl"), "--dry-run", "--config", join(folder, "narrow.json"));
    assert.match(narrow.out, /^1 hashes \$2a\$04; of no use until passwords\.imported lists "bcrypt"$/m);
    for (const args of [["import"], ["import", join(folder, "nothing.jsonl")], ["import", "a", "b"], ["export"], ["migrate", "--pretend"]]) {
      const { code, err } = await postern(...args);
      assert.equal(code, 1, args.join(" "));
      assert.match(err, /^postern: /);
    }
  });
});

describe("a deployment that accepts bcrypt alone", () => {
  const FLOOR_MS = 400;
  let server;
  let person;
  let directory;
  before(async () => {
    server = await startServer({ vars: overlaid(relaxed(), { passwords: { imported: ["bcrypt"], failure_floor_ms: FLOOR_MS } }) });
    person = client(server);
    ({ DIRECTORY: directory } = await server.getEnv());
  });
  after(() => server?.stop());

  /** An account whose stored hash is replaced behind the Worker's back. */
  async function withHash(email, hash) {
    await person.account(email);
    const query = "UPDATE credentials SET password_hash = ? WHERE account_id = (SELECT account_id FROM identifiers WHERE value = ?)";
    await directory.prepare(query).bind(hash, email).run();
  }

  test("answers other kinds, and nonsense, as it answers strangers, and says why in the log", async () => {
    const cases = [
      ["scrypt", (await KINDS.scrypt(PASSWORD)).password_hash, "scrypt is not in passwords.imported"],
      ["argon2i", (await KINDS.argon2i(PASSWORD)).password_hash, "argon2 is not in passwords.imported"],
      ["pbkdf2", (await KINDS.PBKDF2(PASSWORD)).password_hash, "pbkdf2 is not in passwords.imported"],
      ["nonsense", "seven swift otters juggle", "unreadable"],
    ];
    // The failure is told to the audit trail before the floor is over: of the statements in D1, that line's are counted, too.
    const shown = async (email) => {
      await untilQuiet(server);
      const { headers, ...rest } = observed(await person.login(email, PASSWORD));
      const { "x-postern-operations": _, "x-postern-calls": calls, ...others } = headers;
      return { ...rest, headers: others, calls: calls.replace(/ d1_statements=\d+/, "") };
    };
    const stranger = await shown("stranger@example.com");
    assert.equal(stranger.status, 401);
    for (const [name, hash, reason] of cases) {
      const email = `${name}@example.com`;
      await withHash(email, hash);
      assert.deepEqual(await shown(email), stranger, name);
      const lines = server.logs().map(({ message }) => message).filter((message) => message.includes("password hash of"));
      assert.ok(lines.some((line) => line.includes(reason)), lines.join("\n"));
      assert.ok(lines.every((line) => !line.includes(hash)));
    }
  });

  test("releases no failure before the floor, whatever is stored", async () => {
    await person.account("ours@example.com");
    await withHash("theirs@example.com", (await KINDS.bcrypt(PASSWORD)).password_hash);
    for (const email of ["ours@example.com", "theirs@example.com", "nobody@example.com"]) {
      const begun = performance.now();
      refused(await person.login(email, "not the password"), 401, "invalid_credentials");
      const took = performance.now() - begun;
      assert.ok(took >= FLOOR_MS, `${email}: ${took} ms`);
    }
    granted(await person.login("theirs@example.com", PASSWORD));
  });

  test("checks 72 bytes of a password for bcrypt, as bcrypt does, and all of it afterwards", async () => {
    const long = `${"seventy-two bytes are all that bcrypt ever reads of a password, no more!".slice(0, 72)} and a tail`;
    const email = "long@example.com";
    await withHash(email, (await KINDS.bcrypt(long.slice(0, 72))).password_hash);
    refused(await person.login(email, long.slice(0, 71)), 401, "invalid_credentials");
    granted(await person.login(email, long));
    const query = "SELECT password_hash FROM credentials WHERE account_id = (SELECT account_id FROM identifiers WHERE value = ?)";
    await until("the hash is replaced", async () => OURS.test(await directory.prepare(query).bind(email).first("password_hash")));
    refused(await person.login(email, `${long.slice(0, 72)} and another`), 401, "invalid_credentials");
    granted(await person.login(email, long));
  });

  test("with a signer key that is none does not start", async () => {
    const broken = await startServer({ secrets: { POSTERN_FIREBASE_SIGNER_KEY: "c2hvcnQ=" } });
    try {
      refused(await client(broken).login("a@example.com", PASSWORD), 503, "misconfigured");
    } finally {
      await broken.stop();
    }
  });
});

describe("an import where there are several tenants", () => {
  let server;
  let folder;
  before(async () => {
    const as_one = { tenants: { duplicate_identifiers: false, of: { acme: {}, globex: {} } } };
    server = await startPersistentServer({ vars: overlaid(relaxed(), { ...ACCEPTING, ...as_one }) });
    folder = mkdtempSync(join(tmpdir(), "postern-import-"));
    const lines = ["first", "second"].map((name) => JSON.stringify({ id: name, email: `${name}@example.com`, username: `the_${name}` }));
    writeFileSync(join(folder, "first.jsonl"), lines[0]);
    writeFileSync(join(folder, "both.jsonl"), lines.join("\n"));
  });
  after(async () => {
    await server?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  const run = (file, ...more) => postern("import", join(folder, file), "--local", "--config", server.config, "--persist-to", server.persistTo, ...more);

  test("asks for which it is", async () => {
    for (const more of [[], ["--tenant", "nobody"], ["--tenant", "ACME"], ["--tenant", ""]]) {
      const { code, out, err } = await run("first.jsonl", ...more);
      assert.deepEqual([code, out], [1, ""], err);
      assert.match(err, more.length === 0 ? /which tenant\?/ : /the configuration has no tenant/);
    }
  });

  test("is for that one, and leaves out what another tenant has where it may be there once", async () => {
    assert.match((await run("first.jsonl", "--tenant", "acme")).out, /^1 accounts created, 0 were there already, 0 left out$/m);
    const again = await run("both.jsonl", "--tenant", "globex");
    assert.equal(again.code, 2, again.err);
    assert.match(again.out, /^1 accounts created, 0 were there already, 1 left out$/m);
    assert.match(again.err, /^line 1: an address, number or name belongs to another account; the line was left out$/m);
    // In its own it was there already.
    assert.match((await run("both.jsonl", "--tenant", "acme")).out, /^0 accounts created, 1 were there already, 1 left out$/m);
  });
});

describe("an import where operators define roles", () => {
  const TOKEN = randomBytes(32).toString("base64");
  let server;
  let person;
  let folder;
  before(async () => {
    const vars = overlaid(relaxed(), { ...ACCEPTING, permissions: { ...ACCEPTING.permissions, names: ["docs:read", "docs:write"], runtime: true } });
    server = await startPersistentServer({ vars, secrets: { POSTERN_OPERATOR_TOKEN: TOKEN } });
    person = client(server);
    folder = mkdtempSync(join(tmpdir(), "postern-import-"));
  });
  after(async () => {
    await server?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  const ask = async (method, path, body) => {
    const answer = await person.send(method, `/api/v1/auth/admin/${path}`, { body, bearer: TOKEN });
    assert.equal(answer.status, 200, answer.text);
    return answer.body;
  };
  function run(lines, ...more) {
    return runBehind([], lines, ...more);
  }
  function runBehind(folders, lines, ...more) {
    writeFileSync(join(folder, "people.jsonl"), lines.map((line) => JSON.stringify(line)).join("\n"));
    return posternBehind(folders, "import", join(folder, "people.jsonl"), "--local", "--config", server.config, "--persist-to", server.persistTo, ...more);
  }

  test("takes them, and no others", async () => {
    const hash = await KINDS.bcrypt(PASSWORD);
    const clerk = { email: "clerk@example.com", roles: ["user", "clerk"], ...hash };
    const nobody = { email: "nobody@example.com", roles: ["nobody"] };
    const unknown = (line) => `line ${line}: roles: must be some of permissions.roles or of those that operators have defined`;
    for (const more of [[], ["--dry-run"]]) {
      const { code, out, err } = await run([clerk, nobody], ...more);
      assert.deepEqual([code, out, err.trim().split("\n")], [1, "", [unknown(1), unknown(2), "2 broken rules; nothing was imported"]]);
    }
    await ask("PUT", "roles/clerk", { permissions: ["docs:write"] });
    assert.match((await run([clerk, nobody])).err, new RegExp(`^${unknown(2)}$`, "m"));
    const { code, out, err } = await run([clerk]);
    assert.deepEqual([code, err], [0, ""], out);
    assert.match(out, /^1 accounts created, 0 were there already, 0 left out$/m);
    const { access_token: token } = granted(await person.login(clerk.email, PASSWORD));
    const { roles, sub } = claimsOf(token);
    assert.deepEqual(roles, ["user", "clerk"]);
    const { effective, ineffective } = await ask("GET", `users/${sub}/authorization`);
    assert.deepEqual([effective, ineffective.roles], [["docs:read", "docs:write"], []]);
    await ask("DELETE", "roles/clerk");
    assert.deepEqual((await ask("GET", `users/${sub}/authorization`)).roles, ["user"]);
    assert.match((await run([{ ...clerk, email: "late@example.com" }])).err, new RegExp(`^${unknown(1)}$`, "m"));
  });

  test("leaves out whose role is deleted after the file was checked, and says on which line", async () => {
    await ask("PUT", "roles/brief", { permissions: ["docs:write"] });
    const path = process.env.PATH.split(delimiter).find((path) => existsSync(join(path, "npx")));
    const drop = `fetch("${server.url}/api/v1/auth/admin/roles/brief", { method: "DELETE", headers: { authorization: "Bearer ${TOKEN}" } })`;
    // The command has read the roles when it has the statements written.
    const script = `#!/bin/sh\ncase "$*" in *--file*) '${process.execPath}' -e '${drop}';; esac\nexec '${join(path, "npx")}' "$@"\n`;
    writeFileSync(join(folder, "npx"), script, { mode: 0o755 });
    const people = [{ email: "brief@example.com", roles: ["brief"] }, { email: "plain@example.com" }];
    const { code, out, err } = await runBehind([folder], people);
    assert.deepEqual([code, err], [2, "line 1: a role was deleted meanwhile; the line was left out\n"], out);
    assert.match(out, /^1 accounts created, 0 were there already, 1 left out$/m);
    await ask("PUT", "roles/brief", { permissions: ["docs:write"] });
    const { users } = await ask("GET", "users");
    assert.deepEqual(users.filter(({ roles }) => roles.includes("brief")), []);
    assert.ok(users.some(({ email }) => email === "plain@example.com"));
  });
});
