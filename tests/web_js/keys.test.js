import assert from "node:assert/strict";
import { test } from "node:test";

import { bind, listed, nameOf } from "../../rayexec/web/static/keys.js";

test("Ctrl and Cmd are one key", () => {
  const none = { ctrlKey: false, metaKey: false };
  assert.equal(nameOf({ ...none, key: "g" }), "g");
  assert.equal(nameOf({ ...none, key: "Enter", ctrlKey: true }), "Mod+Enter");
  assert.equal(nameOf({ ...none, key: "Enter", metaKey: true }), "Mod+Enter");
});

test("keys of a page end with it", () => {
  const page = new AbortController();
  bind("x", "Do it", () => {}, page.signal);
  assert.deepEqual(listed(), [{ keys: "x", description: "Do it" }]);
  page.abort();
  assert.deepEqual(listed(), []);
});
