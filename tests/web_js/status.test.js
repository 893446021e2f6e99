import assert from "node:assert/strict";
import { test } from "node:test";

import { inOneLine, look, shares } from "../../rayexec/web/static/status.js";

test("each status has a word and an icon beside its colour", () => {
  for (const status of ["STARTED", "SUCCESS", "FAILURE", "CANCELED", "UNREADABLE"]) {
    const its = look(status);
    assert.ok(its.word && its.icon && its.tone, status);
    assert.notEqual(its.word, status);
  }
  assert.deepEqual(look("NEW"), { word: "NEW", icon: "question", tone: "skipped" });
});

test("counts are shares of all, in the order of a bar", () => {
  const parts = shares({ failed: 1, succeeded: 2, "not run": 1, skipped: 0, strange: 4 });
  assert.deepEqual(
    parts.map(({ state, share }) => [state, share]),
    [["succeeded", 0.25], ["failed", 0.125], ["not run", 0.125], ["strange", 0.5]],
  );
  assert.deepEqual(shares({}), []);
  assert.deepEqual(shares({ failed: 0 }), []);
});

test("counts read as a sentence", () => {
  assert.equal(inOneLine({ failed: 1, succeeded: 12_000 }), "12,000 succeeded, 1 failed");
});
