import assert from "node:assert/strict";
import { test } from "node:test";

import { ago, amount, bytes, clock, count, duration, seconds } from
  "../../rayexec/web/static/format.js";

test("durations read as on the command line", () => {
  const cases = [
    [0, "0 ms"],
    [0.0004, "0 ms"],
    [0.9364, "936 ms"],
    [1, "1.0 s"],
    [59.94, "59.9 s"],
    [60, "1 min 00 s"],
    [125, "2 min 05 s"],
    [3599.6, "1 h 00 min"],
    [7260, "2 h 01 min"],
    [360_000, "100 h 00 min"],
  ];
  for (const [span, text] of cases) assert.equal(duration(span), text);
  assert.equal(duration(null), "");
});

test("sizes read as on the command line", () => {
  const cases = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [150 * 1024, "150 KiB"],
    [1.45 * 1024 ** 3, "1.4 GiB"],
    [3 * 1024 ** 4, "3.0 TiB"],
  ];
  for (const [size, text] of cases) assert.equal(bytes(size), text);
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
