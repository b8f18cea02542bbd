// Runs the Worker of the folder in workerd, through wrangler as a user would; needs Node 22 or newer. Prints one
// line of JSON per line of input: the status and body of a GET of that path.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const [tools, folder] = process.argv.slice(2);
Object.assign(process.env, { WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true", CLOUDFLARE_CF_FETCH_ENABLED: "false" });
const { createTestHarness } = await import(pathToFileURL(join(tools, "wrangler", "wrangler-dist", "cli.js")));
const harness = createTestHarness({ root: folder, workers: [{ configPath: join(folder, "wrangler.json") }] });
try {
  const { url } = await harness.listen();
  for await (const line of createInterface({ input: process.stdin })) {
    const responses = await Promise.all(JSON.parse(line).map((path) => fetch(new URL(path, url))));
    console.log(JSON.stringify(await Promise.all(responses.map((response) => response.text()))));
  }
} finally {
  await harness.close();
}
