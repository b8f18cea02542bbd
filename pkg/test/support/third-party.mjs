// A third party that issues tokens, made by `jose`, and a server for its keys that can be told to misbehave.
import { once } from "node:events";
import { createServer } from "node:http";
import * as jose from "jose";
import { AUDIENCE, NOW } from "./tokens.mjs";

/** A key of a third party, with its public JWK. */
export async function createKey(alg = "RS256", kid = `key-${alg}`) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await jose.exportJWK(publicKey)), kid, alg, use: "sig" };
  return { alg, kid, jwk, publicKey, privateKey, privateJwk: { ...(await jose.exportJWK(privateKey)), kid, alg } };
}

/** Signs the usual claims of a third party with changes to them; `undefined` removes one. */
export function signWith({ alg, kid, privateKey }, issuer, changes = {}, header = {}) {
  const claims = { iss: issuer, aud: AUDIENCE, sub: "auth0|42", iat: NOW, exp: NOW + 300, scope: "docs:read mail", ...changes };
  return new jose.SignJWT(JSON.parse(JSON.stringify(claims)))
    .setProtectedHeader(JSON.parse(JSON.stringify({ alg, kid, typ: "at+jwt", ...header })))
    .sign(privateKey);
}

/** A server on loopback whose `handler` can be replaced, and which counts the requests of each path. */
export async function createKeyServer(t) {
  const counts = new Map();
  const state = { handler: undefined };
  const server = createServer((request, response) => {
    counts.set(request.url, (counts.get(request.url) ?? 0) + 1);
    state.handler(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    count: (path = "/.well-known/jwks.json") => counts.get(path) ?? 0,
    /** Answers every request so. */
    answer(handler) {
      state.handler = handler;
    },
    /** Answers every request with these keys. */
    serve(...keys) {
      const body = JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });
      state.handler = (_, response) => response.setHeader("content-type", "application/json").end(body);
    },
  };
}
