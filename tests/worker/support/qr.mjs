// A QR code as an app reads it: its SVG is drawn dot by dot, and decoded by a library that has nothing to do with ours.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const jsQR = createRequire(import.meta.url)("jsqr");
const DOTS_PER_MODULE = 4;

/** The text in an SVG of a QR code, which is made of nothing but bars in one path. */
export function readQr(svg) {
  const [, side, bars] = svg.match(/^<svg [^>]*viewBox="0 0 (\d+) \1"[^>]*><path fill="#fff" d="M0 0h\1v\1h-\1z"\/><path d="([^"]*)"\/><\/svg>$/) ?? assert.fail(svg.slice(0, 200));
  const dots = Number(side) * DOTS_PER_MODULE;
  const pixels = new Uint8ClampedArray(dots * dots * 4).fill(255);
  for (const [bar, left, top, width] of bars.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) {
    assert.ok(Number(left) >= 4 && Number(left) + Number(width) <= side - 4 && Number(top) >= 4 && top < side - 4, bar);
    for (let y = top * DOTS_PER_MODULE; y < (Number(top) + 1) * DOTS_PER_MODULE; y += 1) {
      for (let x = left * DOTS_PER_MODULE; x < (Number(left) + Number(width)) * DOTS_PER_MODULE; x += 1) pixels.fill(0, (y * dots + x) * 4, (y * dots + x) * 4 + 3);
    }
  }
  assert.equal(bars.replaceAll(/M\d+ \d+h(\d+)v1h-\1z/g, ""), "");
  return jsQR(pixels, dots, dots)?.data;
}
