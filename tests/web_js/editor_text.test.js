import assert from "node:assert/strict";
import { test } from "node:test";

import { fit, ranked } from "../../rayexec/web/static/completion.js";
import { Layer } from "../../rayexec/web/static/editor_layer.js";
import { marksAt, marksOf, marksOfLine, moved } from "../../rayexec/web/static/editor_marks.js";
import {
  backed, change, commented, entered, indented, lineAndColumn, occurrences, offsetOf, outdented,
} from "../../rayexec/web/static/editor_text.js";
import { tokensOf } from "../../rayexec/web/static/yaml_tokens.js";

/** Applies an edit to a text with a selection between `[` and `]`, or a caret `|`. */
function edited(text, act) {
  const from = text.search(/[|⟦]/);
  const plain = text.replace(/[|⟦]/, "");
  const to = plain.includes("⟧") ? plain.indexOf("⟧") : from;
  const whole = plain.replace("⟧", "");
  const edit = act(whole, from, to);
  if (!edit) return null;
  const after = whole.slice(0, edit.from) + edit.text + whole.slice(edit.to);
  const end = edit.caretEnd ?? edit.caret;
  return edit.caret === end ? `${after.slice(0, end)}|${after.slice(end)}`
    : `${after.slice(0, edit.caret)}⟦${after.slice(edit.caret, end)}⟧${after.slice(end)}`;
}

const ENTERS = [
  ["ops:|", "ops:\n  |"],
  ["ops: # all|", "ops: # all\n  |"],
  ["  n: 1|", "  n: 1\n  |"],
  ["  n: 'a:'|", "  n: 'a:'\n  |"],
  ["# note:|", "# note:\n|"],
  ["  - a|", "  - a\n    |"],
  ["  - a:|", "  - a:\n      |"],
  ["a: 1|   b", "a: 1\n|b"],
  ["|a: 1", "\n|a: 1"],
];
for (const [before, after] of ENTERS) {
  test(`Enter in ${JSON.stringify(before)}`, () => {
    assert.equal(edited(before, entered), after);
  });
}

test("Enter after a block scalar's sign goes deeper", () => {
  const text = "sql: |";
  assert.equal(entered(text, text.length, text.length).text, "\n  ");
});

test("Tab goes to the next step, and moves selected lines", () => {
  assert.equal(edited("a|", indented), "a |");
  assert.equal(edited("  |", indented), "    |");
  assert.equal(edited("⟦a:\n  b⟧: 1\nc", indented), "  ⟦a:\n    b⟧: 1\nc");
  assert.equal(edited("  a:\n  ⟦  b\n\n c⟧", outdented), "  a:\n⟦  b\n\nc⟧");
  assert.equal(edited("   x|", outdented), " x|");
});

test("comments of lines come and go", () => {
  assert.equal(edited("a:\n  ⟦b: 1\n  c⟧: 2", commented), "a:\n  # ⟦b: 1\n  # c⟧: 2");
  assert.equal(edited("  # b|", commented), "  b|");
});

test("Backspace in the indentation goes back a step, elsewhere it is the browser's", () => {
  assert.equal(edited("    |a", backed), "  |a");
  assert.equal(edited("   |a", backed), "  |a");
  assert.equal(edited("a   |", backed), null);
});

test("the least change between texts", () => {
  assert.deepEqual(change("a\nb\nc", "a\nbx\nc"), { from: 3, to: 3, text: "x", caret: 4 });
  assert.deepEqual(change("aa", "aaa"), { from: 2, to: 2, text: "a", caret: 3 });
  assert.deepEqual(change("abc", ""), { from: 0, to: 3, text: "", caret: 0 });
  assert.equal(change("same", "same"), null);
});

test("offsets, lines and columns are each other's inverse", () => {
  const text = "ab\n\ncde";
  for (let at = 0; at <= text.length; at += 1) {
    const { line, column } = lineAndColumn(text, at);
    assert.equal(offsetOf(text, line, column), at);
  }
  assert.equal(offsetOf(text, 0, 99), 2);
  assert.equal(offsetOf(text, 99, 0), 4);
  assert.deepEqual(occurrences("aXax", "ax"), [0, 2]);
});

test("tokens of a line depend on the state before it alone", () => {
  const types = (line, state = "") => tokensOf(line, state).tokens.map(({ type }) => type).join();
  assert.equal(types("a: 1 # n"), "key,punct,number,comment");
  assert.equal(types("- x: 'y'"), "punct,key,punct,string");
  assert.equal(types("{a: true, b: [~]}"),
    "punct,key,punct,word,punct,key,punct,punct,word,punct,punct");
  assert.equal(types("a: http://b#c"), "key,punct,plain");
  assert.equal(tokensOf("a: |", "").state, "s0");
  assert.equal(tokensOf("  - b: >-", "").state, "s4");
  assert.equal(tokensOf("   x: 1", "s2").state, "s2");
  assert.equal(tokensOf(" x: 1", "s2").state, "");
  assert.equal(tokensOf("a: {b: [1,", "").state, "f{[");
  assert.equal(tokensOf("2]}", "f{[").state, "");
  assert.equal(tokensOf('a: "x', "").state, 'q"');
  assert.equal(tokensOf('y" # z', 'q"').state, "");
});

test("marks move with lines, and are found at their place", () => {
  const marks = marksOf([
    { line: 2, column: 3, end_line: 2, end_column: 5, message: "a", path: "", fix: null },
    { line: 4, column: 1, end_line: 6, end_column: 2, message: "b", path: "", fix: null },
    { line: 0, column: 0, end_line: 0, end_column: 0, message: "whole", path: "", fix: null },
  ]);
  assert.equal(marks.length, 2);
  assert.deepEqual(moved(marks, 2, 3).map((mark) => mark.line), [1, 6]);
  assert.deepEqual(marksAt(marks, 1, 3).map((mark) => mark.message), ["a"]);
  assert.deepEqual(marksAt(marks, 4, 9).map((mark) => mark.message), ["b"]);
  assert.deepEqual(marksOfLine([marks[0]], 1, "  ab: 1"), [[2, 4]]);
  assert.deepEqual(marksOfLine([marks[1]], 4, "  ab"), []);
});

test("suggestions: beginnings first, then words, then letters in order", () => {
  const item = (label, isRequired = false) => ({ label, insert: label, kind: "key", isRequired });
  const names = (typed, ...items) => ranked(items, typed).map(({ label }) => label);
  assert.deepEqual(
    names("co", item("max_co"), item("xcox"), item("config"), item("c_o")),
    ["config", "max_co", "xcox", "c_o"],
  );
  assert.deepEqual(names("", item("b"), item("a", true)), ["a", "b"]);
  assert.deepEqual(names("zz", item("a")), []);
  assert.deepEqual(fit("mc", "max_concurrent").hits, [0, 4]);
});

test("states of lines stay true while lines come and go", () => {
  // The painter needs no document for its states.
  const states = (text) => {
    const found = [""];
    for (const line of text.split("\n").slice(0, -1)) {
      found.push(tokensOf(line, found[found.length - 1]).state);
    }
    return found;
  };
  globalThis.document ??= { createElement: () => ({ getContext: () => null, append() {},
    setAttribute() {}, addEventListener() {} }) };
  const layer = new Layer();
  let text = "";
  let seed = 7;
  const random = (most) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % most;
  };
  const parts = ["a:\n", "  b: |\n", "   x\n", "c: [1,\n", "2]\n", "'", '"y\n', "\n", "d: 1"];
  for (let turn = 0; turn < 400; turn += 1) {
    const from = random(text.length + 1);
    const to = Math.min(text.length, from + random(12));
    text = text.slice(0, from) + parts[random(parts.length)] + text.slice(to);
    layer.set(text);
    assert.deepEqual(layer.states, states(text), JSON.stringify(text));
  }
});
