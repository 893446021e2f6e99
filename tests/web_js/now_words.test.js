import assert from "node:assert/strict";
import { test } from "node:test";

import {
  countsNow,
  heldFor,
  moreOf,
  nameOf,
  leftOf,
  slotWords,
  spoken,
  usedOf,
  waitOf,
} from "../../rayexec/web/static/now_words.js";

const QUEUE = {
  reason: "limit", limit: "database=redshift", size: 38, steps: ["load[8]"], used: 2, most: 2,
  holders: [{ key: "load[3]", seconds: 4.2 }, { key: "load[7]", seconds: 4.9 }], others: false,
  other_runs: [],
};
const NOW = {
  run_id: "a", time: 1, steps: 100, is_final: true, over: 40, ends: { succeeded: 39, failed: 1 },
  running_count: 2, running: [], waiting: 40, queues: [QUEUE],
  retries: [{ key: "x", in_s: 1 }], slots: { most: 4, busy: 2, idle: 2, why: "limits" }, mapped: [],
};

test("a limit says how much is used, by whom, and how many wait", () => {
  assert.equal(nameOf(QUEUE), "database=redshift");
  assert.equal(usedOf(QUEUE), "2/2");
  assert.equal(usedOf({ ...QUEUE, used: 1.5, most: 4 }), "1.5/4");
  assert.equal(usedOf({ ...QUEUE, used: null, most: null }), "");
  assert.equal(heldFor(QUEUE.holders), "for 4 s");
  assert.equal(heldFor([{ seconds: 2 }, { seconds: 125 }]), "for 2 s to 2 min 05 s");
  assert.equal(waitOf(QUEUE), "38 wait");
  assert.equal(waitOf({ ...QUEUE, size: 1 }), "1 waits");
  assert.equal(moreOf(38, 8), "and 30 more");
  assert.equal(moreOf(8, 8), "");
});

test("idle slots say why", () => {
  assert.equal(slotWords(NOW.slots), "2 of 4 slots busy, 2 idle: limits");
  assert.equal(slotWords({ most: 4, busy: 4, idle: 0, why: null }), "4 of 4 slots busy");
  assert.equal(slotWords(null), "");
});

test("the states of all steps add up to the run", () => {
  const counts = countsNow(NOW);
  assert.deepEqual(counts, {
    succeeded: 39, failed: 1, running: 2, retrying: 1, waiting: 39, "not run": 18,
  });
  assert.equal(Object.values(counts).reduce((a, b) => a + b), NOW.steps);
});

test("the rest has a bound, its cause, and the ops without a time", () => {
  const rest = { seconds: 12.34, because_of: "the longest path", unknown_ops: [] };
  assert.equal(leftOf({ ...NOW, remaining: rest }),
    "at least 12.3 s left, because of the longest path");
  assert.equal(leftOf({ ...NOW, remaining: { ...rest, unknown_ops: ["a", "b"] } }),
    "at least 12.3 s left, because of the longest path; no time is known of a, b");
  assert.equal(leftOf({ ...NOW, remaining: null }), "");
});

test("what a screen reader hears changes with the limits, not with each second", () => {
  assert.equal(spoken(NOW), "Steps wait for database=redshift 2/2.");
  assert.equal(spoken({ ...NOW, queues: [] }), "No step waits for a limit.");
});
