import assert from "node:assert/strict";
import { test } from "node:test";

import { lineOf, pathAt, placeAt } from "../../rayexec/web/static/yaml_place.js";

/** Returns the place of the `|` in a text. */
function place(text) {
  const offset = text.indexOf("|");
  return placeAt(text.slice(0, offset) + text.slice(offset + 1), offset);
}

/** Slot, path and prefix in one string. */
function brief(text) {
  const { slot, path, prefix } = place(text);
  return slot === "none" ? "none" : `${slot} ${path.join("/")} <${prefix}>`;
}

const CASES = [
  ["|", "key  <>"],
  ["o|", "key  <o>"],
  ["ops:\n  |", "key ops <>"],
  ["ops:\n|", "key  <>"],
  ["ops:\n  load:\n    config:\n      n|", "key ops/load/config <n>"],
  ["ops:\n  load:\n    config:\n      n: |", "value ops/load/config/n <>"],
  ["ops:\n  load:\n    config:\n      n: 1\n      m|", "key ops/load/config <m>"],
  ["ops:\n  load:\n    config:\n      n: 1\n  s|", "key ops <s>"],
  ["ops:\n  load:\n    config:\n      n: 1\n    |", "key ops/load <>"],
  ["ops:\n  load: {config: {n: |", "value ops/load/config/n <>"],
  ["ops:\n  load: {config: {n: 1, m|", "key ops/load/config <m>"],
  ["ops:\n  load: {config: {n: 1}, |}", "key ops/load <>"],
  ["ops:\n  load: {\n    config: {n: 1},\n    in|\n  }", "key ops/load <in>"],
  ["a: [1, tr|", "value a/1 <tr>"],
  ["a: [{b: 1}, {c|", "key a/1 <c>"],
  ["a:\n  - b: 1\n    c|", "key a/0 <c>"],
  ["a:\n  - b: 1\n  - |", "key a/1 <>"],
  ["a:\n- b: 1\n- c: x|", "value a/1/c <x>"],
  ["a:\n- b\nd|", "key  <d>"],
  ["a:\n  - - x\n    - y|", "key a/0/1 <y>"],
  ["a: 1 # com|", "none"],
  ["# |", "none"],
  ["a: 'x|y'", "value a <x>"],
  ['"my key": v|', "value my key <v>"],
  ['a: "he said: |"', "value a <he said: >"],
  ["a: 1\n---\nb|", "key  <b>"],
  ["a:|", "value a <>"],
  ["n: 1\n    |", "none"],
  ["a: 'one\n  two|'", "none"],
  ["a: &x |", "none"],
  ["a: http://x:1/|", "value a <http://x:1/>"],
  ["a:\n  # note\n\n  b|", "key a <b>"],
];

for (const [text, wanted] of CASES) {
  test(JSON.stringify(text), () => assert.equal(brief(text), wanted));
}

test("block scalars hold text only, and end with their indentation", () => {
  const text = "a: >-\n  x: 1\n\n  y\nb";
  assert.equal(placeAt(text, text.indexOf("1")).slot, "none");
  assert.equal(placeAt(text, text.length).slot, "key");
  assert.deepEqual(placeAt(text, text.length).keys, ["a"]);
});

test("keys of the same map above and below count, others don't", () => {
  const found = place("ops:\n  a:\n    x: 1\n  |\n  b:\n    y: 2\nresources:\n  c: 1\n");
  assert.deepEqual(found.keys, ["a", "b"]);
  assert.deepEqual(place("{a: 1, b: 2, |}").keys, ["a", "b"]);
});

test("the replaced range covers the word under the caret", () => {
  const found = place("ops:\n  lo|ad: {}\n");
  assert.deepEqual([found.from, found.to, found.hasColon], [7, 11, true]);
  const value = place("a: tr|ue # yes");
  assert.deepEqual([value.from, value.to], [3, 7]);
  assert.equal(place("a:|").needsSpace, true);
});

test("a path for hover is that of the key or value below the pointer", () => {
  const text = "ops:\n  load:\n    config: {n: 10, m: [a, bc]}\n  - # no\n";
  const at = (part, add = 0) => pathAt(text, text.indexOf(part) + add)?.path.join("/");
  assert.equal(at("ops"), "ops");
  assert.equal(at("load", 1), "ops/load");
  assert.equal(at("n: 10"), "ops/load/config/n");
  assert.equal(at("10"), "ops/load/config/n");
  assert.equal(at("bc"), "ops/load/config/m/1");
  assert.equal(at("# no", 2), undefined);
  assert.equal(at(":\n"), undefined);
});

test("a path has its line, a missing one the line of the nearest around it", () => {
  const text = "# x\nops:\n  load:\n    config:\n      n: 3x\n  save:\n    - a\n    - b: 1\n";
  assert.deepEqual(lineOf(text, "ops.load.config.n"),
    { line: 5, column: 7, end_line: 5, end_column: 12 });
  assert.equal(lineOf(text, "ops.load.config.table")?.line, 4);
  assert.equal(lineOf(text, "ops.save.1.b")?.line, 8);
  assert.equal(lineOf(text, "ops.other.config")?.line, 2);
  assert.equal(lineOf(text, "resources.x"), null);
});

test("a document of 2,000 lines is quick to place", () => {
  const text = Array.from({ length: 500 }, (_, i) => (
    `  op_${i}:\n    config:\n      a: [1, 2, {b: "x"}]\n      c: 'text' # note\n`
  )).join("");
  const start = performance.now();
  for (let turn = 0; turn < 20; turn += 1) placeAt(`ops:\n${text}`, text.length);
  console.log(`placed in ${((performance.now() - start) / 20).toFixed(2)} ms`);
});
