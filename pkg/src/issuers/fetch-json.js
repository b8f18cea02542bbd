import { KeysError } from "../errors.js";
import { fetchBytes, within } from "../fetch-bytes.js";
import { readObject } from "../jws/compact.js";

/**
 * How documents are fetched.
 *
 * @typedef {object} Fetching
 * @property {typeof globalThis.fetch | undefined} fetch
 * @property {((host: string) => Promise<readonly string[]>) | undefined} lookUp the addresses of a name, where the
 *   platform tells
 * @property {(address: string) => boolean} isAllowed whether an address that a name stands for may be connected to
 * @property {number} timeoutSeconds
 */

/**
 * Fetches a JSON object: without following redirects, within the time-out, and at most 64 KiB of it.
 *
 * @param {URL} url
 * @param {Fetching} fetching
 * @returns {Promise<Record<string, unknown>>}
 * @throws {KeysError} `keys_unavailable`, or `keys_invalid` for what is not a JSON object
 */
export async function fetchObject(url, fetching) {
  let bytes;
  try {
    bytes = await within(fetching.timeoutSeconds, (signal) => fetchPublic(url, fetching, signal));
  } catch (cause) {
    throw new KeysError("keys_unavailable", `nothing can be fetched from ${url.origin}`, { cause });
  }
  const object = readObject(bytes);
  if (!object) throw new KeysError("keys_invalid", `${url.origin} answered with something else than a JSON object`);
  return object;
}

/** @param {URL} url @param {Fetching} fetching @param {AbortSignal} signal */
async function fetchPublic(url, { fetch, lookUp, isAllowed }, signal) {
  // A `fetch` that was given may go through a proxy: what the name stands for here does not matter there.
  const isLookedUp = !fetch && !/[[\]]|^[\d.]+$/.test(url.hostname);
  const addresses = (isLookedUp && (await lookUp?.(url.hostname))) || [];
  if (!addresses.every(isAllowed)) throw new Error("the name stands for an address of a private network");
  return fetchBytes(url, { fetch, accept: "application/json", signal });
}
