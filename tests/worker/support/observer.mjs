// Somebody who compares answers as exactly as the network allows: raw headers in their order, the text, the time.

import { once } from "node:events";
import { Agent, request } from "node:http";
import { performance } from "node:perf_hooks";

/** A client with one connection of its own. */
export class Observer {
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #url;

  constructor(server) {
    this.#url = server.url;
  }

  /**
   * Posts JSON.
   *
   * @returns {Promise<{ status: number, headers: string[], text: string, milliseconds: number }>} `headers` are names
   *   and values in turn, as they came
   */
  async post(path, body, { bearer, address = "198.51.100.1" } = {}) {
    const text = JSON.stringify(body);
    const start = performance.now();
    const sent = request(new URL(path, this.#url), {
      agent: this.#agent,
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
        "cf-connecting-ip": address,
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
    });
    sent.end(text);
    const [response] = await once(sent, "response");
    let answer = "";
    for await (const chunk of response.setEncoding("utf8")) answer += chunk;
    return { status: response.statusCode, headers: response.rawHeaders, text: answer, milliseconds: performance.now() - start };
  }

  close() {
    this.#agent.destroy();
  }
}

/** All that an answer shows but its time: what is random or the date is known by its length only. */
export function shown({ status, headers, text }) {
  const masked = (value) => value.replace(/\b[0-9a-f]{32}\b/g, "#".repeat(32));
  const pairs = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index].toLowerCase();
    pairs.push(`${headers[index]}: ${name === "date" ? "#".repeat(headers[index + 1].length) : masked(headers[index + 1])}`);
  }
  return { status, headers: pairs, text: masked(text) };
}

/**
 * How well one measurement tells two classes apart: the probability that a measurement of `ones` is greater than one
 * of `others`, ties counting half (Mann and Whitney's U, normed). 0.5 tells nothing.
 */
export function separation(ones, others) {
  let wins = 0;
  for (const one of ones) for (const other of others) wins += one > other ? 1 : one === other ? 0.5 : 0;
  return wins / (ones.length * others.length);
}
