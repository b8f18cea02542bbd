// Verifies tokens with a memory for them, forgets the tokens, and looks for what is left of them on the heap.
import { getHeapSnapshot } from "node:v8";
import { text } from "node:stream/consumers";
import { createVerifier } from "postern";
import { createIssuer, optionsFor } from "./tokens.mjs";

const issuer = await createIssuer();
const verifier = createVerifier(optionsFor(issuer, { cacheSize: 100 }));
/** What to look for, in a form that is not what is looked for. */
const wanted = [];
let remembered = 0;
for (let i = 0; i < 50; i++) await verifyTwice(`remembered-${i}`);
// What the engine still holds of the last call goes with the next turn and another token.
verifier.verify(await issuer.sign());
await new Promise((resolve) => setTimeout(resolve));
global.gc();
const heap = Buffer.from(await text(getHeapSnapshot()));
const payloads = heap.includes("remembered-49");
const signatures = wanted.filter((signature) => heap.includes(signature)).length;
console.log(JSON.stringify({ remembered, payloads, signatures }));

// A function of its own, so that no variable outlives the token.
async function verifyTwice(jti) {
  const token = await issuer.sign({ jti });
  const claims = verifier.verify(token);
  if (Object.isFrozen(claims) && verifier.verify(`${token}`) === claims) remembered += 1;
  // The half that makes it a signature.
  wanted.push(Buffer.from(token.slice(-43)));
}
