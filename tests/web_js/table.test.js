import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST_PIXELS, tableWindow, topOf } from "../../rayexec/web/static/table.js";

const view = 600;
const row = 30;

test("only rows in view are drawn, with some to spare", () => {
  assert.deepEqual(tableWindow({ top: 0, view, row, count: 1000, spare: 5 }), {
    first: 0,
    last: 25,
    offset: 0,
    height: 30_000,
  });
  const middle = tableWindow({ top: 3010, view, row, count: 1000, spare: 5 });
  assert.deepEqual([middle.first, middle.last, middle.offset], [95, 126, 2850]);
});

test("an empty table and one shorter than its view have no spare rows", () => {
  assert.deepEqual(tableWindow({ top: 0, view, row, count: 0 }), {
    first: 0,
    last: 0,
    offset: 0,
    height: 0,
  });
  assert.equal(tableWindow({ top: 0, view, row, count: 3 }).last, 3);
});

test("a table taller than browsers allow still reaches its first and last row", () => {
  const count = 1_000_000;
  const start = tableWindow({ top: 0, view, row, count });
  assert.equal(start.first, 0);
  assert.equal(start.height, MOST_PIXELS);
  const end = tableWindow({ top: MOST_PIXELS - view, view, row, count });
  assert.equal(end.last, count);
  const bottom = end.offset + (count - end.first) * row;
  assert.ok(Math.abs(bottom - MOST_PIXELS) < 1, `the last row ends at ${bottom}`);
});

test("rows scroll into view, and not at all where they are in it", () => {
  for (const count of [1000, 1_000_000]) {
    for (const index of [0, 1, 500, count - 1]) {
      const top = topOf({ index, top: 4000, view, row, count });
      const shown = tableWindow({ top, view, row, count, spare: 0 });
      assert.ok(shown.first <= index && index < shown.last, `${index} of ${count}`);
      const at = shown.offset + (index - shown.first) * row - Math.min(top, shown.height - view);
      assert.ok(at > -1 && at + row < view + 1, `row ${index} of ${count} is at ${at}`);
    }
  }
  assert.equal(topOf({ index: 10, top: 100, view, row, count: 1000 }), 100);
});
