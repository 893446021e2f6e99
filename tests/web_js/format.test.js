import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { ago, amount, bytes, clock, count, duration, seconds } from
  "../../rayexec/web/static/format.js";

/** @type {{durations: [number, string][], sizes: [number, string][],
 *   amounts: [number, string][], counts: [number, string, string][]}} */
const CASES = JSON.parse(
  readFileSync(new URL("../views/quantities.json", import.meta.url), "utf8"),
);

test("durations read as on the command line", () => {
  for (const [span, text] of CASES.durations) assert.equal(duration(span), text);
  assert.equal(duration(null), "");
});

test("sizes read as on the command line", () => {
  for (const [size, text] of CASES.sizes) assert.equal(bytes(size), text);
});

test("amounts read as on the command line", () => {
  for (const [number, text] of CASES.amounts) assert.equal(amount(number), text);
});

test("counts with nouns read as on the command line", () => {
  for (const [number, noun, text] of CASES.counts) assert.equal(count(number, noun), text);
});

test("counts have commas, and nouns their plural", () => {
  assert.equal(count(1234567), "1,234,567");
  assert.equal(count(1, "step"), "1 step");
  assert.equal(count(0, "step"), "0 steps");
  assert.equal(amount(2), "2");
  assert.equal(amount(0.3333), "0.33");
});

test("moments are numbers or ISO texts", () => {
  assert.equal(seconds("1970-01-01T00:01:00+00:00"), 60);
  assert.equal(seconds(60.5), 60.5);
  assert.ok(Number.isNaN(seconds(null)));
});

test("moments of the past are told in their largest unit", () => {
  const now = 1_000_000;
  const cases = [
    [0, "now"],
    [12.9, "12 s ago"],
    [150, "2 min ago"],
    [7300, "2 h ago"],
    [3 * 86_400, "3 days ago"],
  ];
  for (const [span, text] of cases) assert.equal(ago(now - span, now), text);
  assert.equal(ago(null, now), "");
});

test("a clock shows the day only where it is another one", () => {
  const noon = new Date(2026, 10, 30, 12, 0, 5).getTime() / 1000;
  assert.equal(clock(noon, noon + 60), "12:00:05");
  assert.equal(clock(noon, noon + 86_400), "Nov 30 12:00");
  assert.equal(clock(noon, noon + 86_400 * 60), "Nov 30 2026 12:00");
  assert.equal(clock(null, noon), "");
});
