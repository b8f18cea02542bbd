/** The largest document that is read: the cap of the core for a key set. */
const MAX_BYTES = 65_536;

/**
 * Fetches a document: without following redirects, and at most 64 KiB of it.
 *
 * @param {URL} url
 * @param {object} how
 * @param {typeof globalThis.fetch} [how.fetch]
 * @param {string} how.accept media types
 * @param {AbortSignal} how.signal
 */
export async function fetchBytes(url, { fetch, accept, signal }) {
  // Looked up at each call, so that a page or a test that replaces it is respected.
  const response = await (fetch ?? globalThis.fetch)(url.href, {
    headers: { accept },
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

/**
 * Does something for at most so long. The signal ends what knows signals; the race ends everything else.
 *
 * @template T
 * @param {number} seconds
 * @param {(signal: AbortSignal) => Promise<T>} work
 * @returns {Promise<T>}
 */
export function within(seconds, work) {
  const signal = AbortSignal.timeout(seconds * 1000);
  const end = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  return Promise.race([work(signal), /** @type {Promise<never>} */ (end)]);
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
