import assert from "node:assert/strict";
import { test } from "node:test";

import {
  completer, describer, inYaml, spotAt,
} from "../../rayexec/web/static/run_config_words.js";
import { placeAt } from "../../rayexec/web/static/yaml_place.js";

const TREE = {
  root: "0",
  types: {
    0: { kind: "dict", summary: "", keys: {
      ops: { type: "1", required: true, description: "Config of ops." },
      execution: { type: "9" },
    } },
    1: { kind: "dict", summary: "", keys: { load: { type: "2", required: true } } },
    2: { kind: "dict", summary: "", keys: { config: { type: "3", required: true } } },
    3: { kind: "dict", summary: "", keys: {
      n: { type: "4", required: true, description: "Rows." },
      mode: { type: "5", default: "FAST" },
      tree: { type: "6" },
      deep: { type: "7", default: false },
      tables: { type: "8" },
      many: { type: "11" },
    } },
    4: { kind: "scalar", summary: "int", takes_env: true },
    5: { kind: "scalar", summary: "FAST or SLOW",
      values: [{ value: "FAST" }, { value: "SLOW", description: "With care." }, { value: "no" }] },
    6: { kind: "dict", summary: "Tree", keys: { left: { type: "6" }, name: { type: "4" } } },
    7: { kind: "scalar", summary: "bool", values: [{ value: true }, { value: false }] },
    8: { kind: "list", summary: "list", items: "6" },
    9: { kind: "selector", summary: "", keys: { ray: { type: "10" }, in_process: { type: "10" } } },
    10: { kind: "any", summary: "any" },
    11: { kind: "union", summary: "int or tree", options: ["4", "6"] },
  },
};
const WORDS = { tree: TREE, ops: ["load"], tags: ["db"], pools: [], env_vars: ["HOME", "N"] };

/** Labels offered at the `|` of a text. */
function offered(text) {
  const offset = text.indexOf("|");
  return completer(WORDS)(placeAt(text.replace("|", ""), offset));
}
const labels = (text) => offered(text).map(({ label }) => label);
const IN = "ops:\n  load:\n    config:\n      ";

test("keys at each depth, required ones first, given ones not again", () => {
  assert.deepEqual(labels("|"), ["ops", "execution"]);
  assert.deepEqual(labels("ops:\n  |"), ["load"]);
  assert.deepEqual(labels(`${IN}n: 1\n      |`), ["mode", "tree", "deep", "tables", "many"]);
  assert.deepEqual(labels(`${IN}de|`), ["deep", "mode"]);
  assert.deepEqual(labels("nothing:\n  |"), []);
  assert.deepEqual(labels("execution:\n  ray:\n  |"), []);
});

test("a key brings its colon, and a map its next line", () => {
  assert.equal(offered(`${IN}n|`)[0].insert, "n: ");
  assert.equal(offered(`${IN}tre|`)[0].insert, "tree:\n        ");
  assert.equal(offered(`${IN}tab|`)[0].insert, "tables:\n        - ");
  assert.equal(offered(`${IN}n|: 1`)[0].insert, "n");
  assert.equal(offered("ops: {lo|}")[0].insert, "load: ");
});

test("values of enums and bools, quoted where YAML reads something else", () => {
  assert.deepEqual(labels(`${IN}mode: |`), ["FAST", "SLOW", "no"]);
  assert.equal(offered(`${IN}mode: no|`)[0].insert, '"no"');
  assert.equal(offered(`${IN}mode: "SL|"`)[0].insert, "SLOW");
  assert.deepEqual(labels(`${IN}deep: t|`), ["true"]);
});

test("names of environment variables, never their values", () => {
  assert.deepEqual(labels(`${IN}n: |`), ["{env: HOME}", "{env: N}"]);
  assert.deepEqual(labels(`${IN}n: {env: H|}`), ["HOME"]);
});

test("types within themselves, in lists and in unions", () => {
  assert.deepEqual(labels(`${IN}tree: {left: {left: {|`), ["left", "name"]);
  assert.deepEqual(labels(`${IN}tables:\n        - left: {}\n          |`), ["name"]);
  assert.deepEqual(labels(`${IN}many:\n        |`), ["left", "name"]);
  assert.equal(spotAt(TREE, ["ops", "load", "config", "n", "x"]), null);
});

test("words of a path for hover", () => {
  const words = describer(WORDS)(["ops", "load", "config", "n"]);
  assert.deepEqual(words, { title: "n: int, required", text: "Rows." });
  assert.equal(describer(WORDS)(["ops", "load", "config", "mode"])?.title,
    "mode: FAST or SLOW = FAST");
  assert.equal(describer(WORDS)(["x"]), null);
});

test("values as YAML in one line", () => {
  assert.equal(inYaml("a b"), "a b");
  assert.equal(inYaml("a: b"), '"a: b"');
  assert.equal(inYaml("1e3"), '"1e3"');
  assert.equal(inYaml(null), "null");
  assert.equal(inYaml([1, "x"]), '[1,"x"]');
});
