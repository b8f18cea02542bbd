// The task for `consumer.mjs`, as plain data.
import { createIssuer, mask, NOW, optionsFor, snapshot } from "./tokens.mjs";

export async function createTask(hmac) {
  const issuer = await createIssuer();
  const permissions = snapshot(["docs:read", "docs:write"]);
  const options = { ...optionsFor(issuer, { permissions }), now: NOW };
  const sign = (changes) => issuer.sign({ pr: permissions.version, ...changes });
  const good = await sign({ pm: mask(64, [1]) });
  const tokens = [
    [good, "may write"],
    [await sign({ pm: mask(64, [0]) }), "may not write"],
    [await sign({ pm: mask(64, [63]) }), "may write"],
    [await sign({ exp: NOW - 60 }), "token_expired"],
    [await (await createIssuer()).sign(), "signature_invalid"],
    [await sign({ pm: mask(128, [0]) }), "claim_malformed"],
    ["", "token_malformed"],
    [good, "may write"],
  ];
  return { options, tokens, hmac };
}
