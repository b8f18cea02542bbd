// A mail service on this machine: keeps what it is sent, and answers with the next of `answers`, or 200.

import { once } from "node:events";
import { createServer } from "node:http";

/**
 * @returns {Promise<{
 *   origin: string,
 *   answers: (number | "silence")[],
 *   received: { method: string, url: string, headers: Record<string, string>, letter: any }[],
 *   to: (address: string) => { method: string, url: string, headers: Record<string, string>, letter: any }[],
 *   stop: () => void,
 * }>}
 */
export async function startMailService() {
  const received = [];
  const answers = [];
  const service = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const letter = JSON.parse(Buffer.concat(chunks).toString());
    received.push({ method: request.method, url: request.url, headers: request.headers, letter });
    const status = answers.shift() ?? 200;
    if (status !== "silence") response.writeHead(status).end();
  });
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  return {
    origin: `http://127.0.0.1:${service.address().port}`,
    answers,
    received,
    to: (address) => received.filter(({ letter }) => [letter.to].flat().some((to) => (to.email_address?.address ?? to) === address)),
    stop: () => {
      service.closeAllConnections();
      service.close();
    },
  };
}
