// A small program that uses every part of the package that runs anywhere: what bundlers bundle and runtimes run.
import { createTask } from "./task.mjs";
import { createKey, signWith } from "./third-party.mjs";
import { createProver } from "./proofs.mjs";
import { createIssuer, mask, NOW } from "./tokens.mjs";

/** What the program says if everything is as it should be. */
export const GREETING = "ok, web, missing_token, auth0|42, issuer_unknown, web, dpop_proof_replayed";

/**
 * The source of the program.
 *
 * @param {string} hmac what happens to a shared secret in the build that is used: see `consumer.mjs`
 * @param {string} [from] the entry to be imported
 */
export async function createApp(hmac, from = "postern") {
  const task = await createTask(hmac);
  const key = await createKey("ES256");
  const prover = await createProver();
  const issuer = await createIssuer("bound");
  const bound = await issuer.sign({ pm: mask(64, [0]), cnf: { jkt: prover.thumbprint } });
  const data = {
    task,
    jwks: issuer.jwks,
    bound,
    proof: await prover.prove(bound),
    foreign: await signWith(key, "https://login.example"),
    stranger: await signWith(key, "https://evil.example"),
    keys: { keys: [key.jwk] },
  };
  return `
import * as postern from ${JSON.stringify(from)};
import { createDpopChecker } from "postern/dpop";
import { createGuard } from "postern/guard";
import { createIssuers } from "postern/issuers";
import { check } from "./consumer.mjs";

const data = ${JSON.stringify(data)};
const now = () => ${NOW};

async function main() {
  const { options, tokens } = data.task;
  const ask = async (guard, headers) => {
    const { claims, response } = await guard(new Request("https://api.example/private", { headers }));
    return claims?.clientId ?? claims?.subject ?? (await response.json()).code;
  };
  const guard = createGuard(postern.createVerifier({ ...options, now }), { requires: ["docs:write"] });
  const fetch = async () => Response.json(data.keys);
  const issuers = createIssuers({ issuers: [{ issuer: "https://login.example", audience: options.audience }], fetch, now });
  const foreign = createGuard(issuers, { authorize: (claims) => claims.hasScope("mail") });
  const dpop = createDpopChecker({ origin: "https://api.example", now });
  const possession = createGuard(postern.createVerifier({ ...options, jwks: data.jwks, now }), { dpop });
  const proven = { authorization: "DPoP " + data.bound, dpop: data.proof };
  return [
    check(postern, data.task),
    await ask(guard, { authorization: "Bearer " + tokens[0][0] }),
    await ask(guard, {}),
    await ask(foreign, { authorization: "Bearer " + data.foreign }),
    await ask(foreign, { authorization: "Bearer " + data.stranger }),
    await ask(possession, proven),
    await ask(possession, proven),
  ].join(", ");
}

main().catch(String).then((greeting) => {
  if (globalThis.document) document.title = greeting;
  else console.log(greeting);
});
`;
}
