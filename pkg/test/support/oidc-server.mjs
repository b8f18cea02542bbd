// A real OpenID provider on loopback, in a process of its own; needs Node 22 or newer. Prints its issuer, and ends with
// its standard input. Access tokens are JWTs, signed with the algorithm that the resource is named after.
import { once } from "node:events";
import { createServer } from "node:http";
import * as jose from "jose";
import { Provider } from "oidc-provider";

const ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519"];
const keys = await Promise.all(
  ALGORITHMS.map(async (alg) => {
    const { privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    return { ...(await jose.exportJWK(privateKey)), alg, use: "sig", kid: `key-${alg}` };
  }),
);

const server = createServer().listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  jwks: { keys },
  clients: [
    {
      client_id: "service",
      client_secret: "a secret of the tests",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        scope: "docs:read docs:write",
        audience: "https://api.example",
        accessTokenTTL: 300,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: new URL(resource).pathname.slice(1) } },
      }),
    },
  },
  enabledJWA: { idTokenSigningAlgValues: ALGORITHMS },
});
server.on("request", provider.callback());
console.log(issuer);
process.stdin.resume().on("end", () => process.exit());
