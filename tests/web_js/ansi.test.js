import assert from "node:assert/strict";
import { test } from "node:test";

import {
  cutLine,
  foldReturns,
  pieces,
  plainStyle,
  plainText,
  withLinks,
} from "../../rayexec/web/static/ansi.js";

test("colours become classes, and go on until they are reset", () => {
  assert.deepEqual(pieces("a \u001b[1;31mred\u001b[0m b"), [
    { text: "a ", classes: [] },
    { text: "red", classes: ["ansi-red", "ansi-bold"] },
    { text: " b", classes: [] },
  ]);
});

test("a style goes from line to line", () => {
  const style = plainStyle();
  pieces("\u001b[32mfirst", style);
  assert.deepEqual(pieces("second", style), [{ text: "second", classes: ["ansi-green"] }]);
});

test("colours of 256 and of 24 bits become the nearest of eight", () => {
  assert.deepEqual(pieces("\u001b[38;5;196mx")[0].classes, ["ansi-red"]);
  assert.deepEqual(pieces("\u001b[38;2;20;200;30mx")[0].classes, ["ansi-green"]);
  assert.deepEqual(pieces("\u001b[48;5;21;1mx")[0].classes, ["ansi-on-blue", "ansi-bold"]);
  assert.deepEqual(pieces("\u001b[38;5;999mx")[0].classes, []);
});

test("other escapes are left out: cursors, titles, links, bells", () => {
  const line = "a\u001b[2K\u001b[?25lb\u001b]0;title\u0007c\u001b]8;;javascript:x\u001b\\d\u0007";
  assert.equal(pieces(line).map((piece) => piece.text).join(""), "abcd");
});

test("an escape that is cut off leaves nothing behind", () => {
  assert.equal(pieces("a\u001b").map((piece) => piece.text).join(""), "a");
  assert.equal(pieces("a\u001b]0;never ends").map((piece) => piece.text).join(""), "a");
});

test("markup stays text", () => {
  assert.deepEqual(pieces("<img src=x onerror=alert(1)>"), [
    { text: "<img src=x onerror=alert(1)>", classes: [] },
  ]);
});

test("a progress bar is folded to its last state", () => {
  assert.equal(foldReturns("\r 10%|#  |\r 50%|## |\r100%|###|"), "100%|###|");
  assert.equal(foldReturns(" 10%\r100%\r"), "100%");
  assert.equal(foldReturns("100%\r\u001b[K"), "100%");
  assert.equal(foldReturns("no return"), "no return");
});

test("a long line is cut", () => {
  const { text, left } = cutLine("x".repeat(10_000_000));
  assert.equal(text.length, 4000);
  assert.equal(left, 9_996_000);
});

test("only addresses of the web link", () => {
  const text = "see https://x.org/a?b=c. or javascript:alert(1)";
  const linked = withLinks([{ text, classes: [] }]);
  assert.deepEqual(linked, [
    { text: "see ", classes: [] },
    { text: "https://x.org/a?b=c", classes: [], href: "https://x.org/a?b=c" },
    { text: ". or javascript:alert(1)", classes: [] },
  ]);
});

test("a copy has neither colours nor overwritten states", () => {
  assert.equal(plainText("1%\r\u001b[32m100%\u001b[0m"), "100%");
});
