import assert from "node:assert/strict";
import { test } from "node:test";

import { inUnits, marksOf } from "../../rayexec/web/static/editor_marks.js";

test("columns behind an emoji count both of its halves", () => {
  const text = "a: 1\nb: {'😀😀': 1, rows: x}\n";
  const problem = {
    line: 2, column: 20, end_line: 2, end_column: 21, path: "b.rows", message: "", fix: null,
  };
  const [mark] = marksOf(inUnits([problem], text));
  const line = text.split("\n")[1];
  assert.equal(line.slice(mark.column, mark.endColumn), "x");
});

test("problems without a place, and of texts without an emoji, stay as they are", () => {
  const nowhere = {
    line: 0, column: 0, end_line: 0, end_column: 0, path: "tags", message: "", fix: null,
  };
  assert.deepEqual(inUnits([nowhere], "😀"), [nowhere]);
  const plain = { ...nowhere, line: 1, column: 9, end_line: 1, end_column: 10 };
  assert.deepEqual(inUnits([plain], "ü: é"), [plain]);
});
