// Node and Bun: names are looked up before they are connected to. Whoever answers for the name could answer otherwise
// the second time, so this is a guard against wrong configuration, not against the owner of a name.
import { lookup } from "node:dns/promises";
import { Issuers } from "./issuers.js";

export * from "./shared.js";

const lookUp = async (/** @type {string} */ host) => (await lookup(host, { all: true })).map(({ address }) => address);

export const createIssuers = (/** @type {any} */ options) => new Issuers(options, { share: true, lookUp });
