import { KeysError } from "../errors.js";
import { readObject } from "../jws/compact.js";

/** The largest document that is read. */
const MAX_BYTES = 65_536;

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
  const signal = AbortSignal.timeout(fetching.timeoutSeconds * 1000);
  try {
    // The signal ends the fetch; the race ends looking up a name, which knows no signals.
    bytes = await Promise.race([fetchBytes(url, fetching, signal), aborted(signal)]);
  } catch (cause) {
    throw new KeysError("keys_unavailable", `nothing can be fetched from ${url.origin}`, { cause });
  }
  const object = readObject(bytes);
  if (!object) throw new KeysError("keys_invalid", `${url.origin} answered with something else than a JSON object`);
  return object;
}

/** @param {AbortSignal} signal @returns {Promise<never>} */
function aborted(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

/** @param {URL} url @param {Fetching} fetching @param {AbortSignal} signal */
async function fetchBytes(url, { fetch, lookUp, isAllowed }, signal) {
  // A `fetch` that was given may go through a proxy: what the name stands for here does not matter there.
  const isLookedUp = !fetch && !/[[\]]|^[\d.]+$/.test(url.hostname);
  const addresses = (isLookedUp && (await lookUp?.(url.hostname))) || [];
  if (!addresses.every(isAllowed)) throw new Error("the name stands for an address of a private network");
  const response = await (fetch ?? globalThis.fetch)(url.href, {
    headers: { accept: "application/json" },
    // What lies elsewhere than configured is not the issuer's.
    redirect: "manual",
    signal,
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`status ${response.status}`);
  }
  return readBody(response);
}

/** Counts while reading: what is announced is not to be believed. @param {Response} response */
async function readBody(response) {
  const bytes = new Uint8Array(MAX_BYTES);
  let size = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const { done = true, value } = (await reader?.read()) ?? {};
    if (done || !value) return bytes.subarray(0, size);
    if (size + value.length > MAX_BYTES) {
      await reader?.cancel();
      throw new Error("more than 64 KiB");
    }
    bytes.set(value, size);
    size += value.length;
  }
}
