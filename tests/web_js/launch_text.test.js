import assert from "node:assert/strict";
import { test } from "node:test";

import {
  added, bodyOf, draftOf, readDrafts, removed, selectionOf, selectionPart, stepsOf, tagsOf,
  tagsText,
} from "../../rayexec/web/static/launch_text.js";

test("stored drafts are read with whatever is wrong with them", () => {
  for (const stored of [null, "", "{", "[]", '{"drafts": [null, {"id": "x"}, 3]}']) {
    const { drafts, chosen } = readDrafts(stored);
    assert.deepEqual([drafts.length, chosen], [1, 1]);
  }
  const kept = readDrafts(JSON.stringify({
    drafts: [{ id: 4, yaml: "a: 1", most: 7 }, { id: 4 }, { id: 6, name: "b" }], chosen: 6,
  }));
  assert.deepEqual(kept.drafts.map(({ id, yaml, most }) => [id, yaml, most]),
    [[4, "a: 1", ""], [6, "", ""]]);
  assert.equal(kept.chosen, 6);
});

test("drafts come and go, one is always there", () => {
  let all = readDrafts(null);
  all = added(all, { name: "from run 3f2a", yaml: "x" });
  all = added(all, { name: "from run 3f2a" });
  assert.deepEqual(all.drafts.map(({ name }) => name),
    ["Config 1", "from run 3f2a", "from run 3f2a (2)"]);
  assert.equal(all.chosen, 3);
  all = removed(all, 3);
  assert.equal(all.chosen, 2);
  all = removed(removed(all, 1), 2);
  assert.deepEqual(all.drafts.map(({ name }) => name), ["Config 1"]);
  for (let turn = 0; turn < 30; turn += 1) all = added(all, {});
  assert.equal(all.drafts.length, 20);
  assert.ok(all.drafts.some(({ id }) => id === all.chosen));
});

test("selections are parts by commas and spaces, completed at the caret", () => {
  assert.deepEqual(selectionOf(" *a, b+ c"), ["*a", "b+", "c"]);
  assert.deepEqual(selectionPart("*lo", 3), { from: 1, to: 3, typed: "lo" });
  assert.deepEqual(selectionPart("a, ++lo+, c", 7), { from: 5, to: 7, typed: "lo" });
  assert.deepEqual(selectionPart("", 0), { from: 0, to: 0, typed: "" });
});

test("tags are read, and what is none is said", () => {
  const tags = { a: "1", b: "x=y", c: "" };
  assert.deepEqual(tagsOf("a=1, b = x=y,\nc="), { tags, problem: null });
  assert.match(tagsOf("a=1, oops").problem, /oops is no tag/);
  assert.equal(tagsText({ a: "1", b: { c: 2 } }), 'a=1, b={"c":2}');
});

test("a draft becomes a body, or a problem", () => {
  const { body, problem } = bodyOf(draftOf({ yaml: "a: 1", selection: "x y", tags: "k=v" }));
  assert.equal(problem, null);
  assert.deepEqual(body, { yaml: "a: 1", selection: ["x", "y"], tags: { k: "v" },
    where: undefined, max_concurrent: null });
  assert.equal(bodyOf(draftOf({ most: "3" })).body.max_concurrent, 3);
  assert.match(bodyOf(draftOf({ most: "0" })).problem, /whole number/);
  assert.match(bodyOf(draftOf({ where: "address" })).problem, /address/);
  assert.equal(bodyOf(draftOf({ where: "address", address: " h:1 " })).body.where, "h:1");
});

test("steps are parted by commas that are not in brackets", () => {
  assert.deepEqual(stepsOf("load, weigh[a,b]* tidy.first"), ["load", "weigh[a,b]*", "tidy.first"]);
  assert.deepEqual(stepsOf(" , "), []);
  assert.deepEqual(stepsOf("weigh[a"), ["weigh[a"]);
});
