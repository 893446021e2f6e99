/**
 * Edits of YAML text as data: what Tab, Enter and Backspace do, and the least change between two
 * texts.
 *
 * @typedef {{from: number, to: number, text: string, caret: number, caretEnd?: number}} Edit
 */
import { indentOf } from "./yaml_tokens.js";

const STEP = 2;

/**
 * Returns the least edit that makes one text of another; null for equal texts.
 * @param {string} before @param {string} after @returns {Edit | null}
 */
export function change(before, after) {
  if (before === after) return null;
  const most = Math.min(before.length, after.length);
  let from = 0;
  while (from < most && before[from] === after[from]) from += 1;
  let tail = 0;
  while (
    tail < most - from && before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) tail += 1;
  const text = after.slice(from, after.length - tail);
  return { from, to: before.length - tail, text, caret: from + text.length };
}

/**
 * Returns the edit of Enter: a new line with the indentation of this one, deeper after a key
 * without a value.
 * @param {string} text @param {number} from @param {number} to @returns {Edit}
 */
export function entered(text, from, to) {
  const start = text.lastIndexOf("\n", from - 1) + 1;
  const line = text.slice(start, from);
  const rest = text.slice(to).split("\n", 1)[0];
  let indent = Math.min(indentOf(line), line.length);
  const dash = /^\s*((?:- +)+)/.exec(line);
  const isOpen = /(?:^|[^#]*[^\s#])?:\s*(?:#.*)?$/.test(line) && !/^\s*#/.test(line);
  if (dash && line.trim() !== "-" && !isOpen) indent += dash[1].length;
  else if (dash && isOpen) indent += dash[1].length + STEP;
  else if (isOpen && line.trim()) indent += STEP;
  else if (/[|>][-+\d]*\s*$/.test(line) && /:\s*[|>][-+\d]*\s*$/.test(line)) indent += STEP;
  const inserted = `\n${" ".repeat(indent)}`;
  const skipped = rest.length - rest.trimStart().length;
  return { from, to: to + skipped, text: inserted, caret: from + inserted.length };
}

/**
 * Returns the edit of Tab: spaces to the next step, or all selected lines deeper.
 * @param {string} text @param {number} from @param {number} to @returns {Edit}
 */
export function indented(text, from, to) {
  const start = text.lastIndexOf("\n", from - 1) + 1;
  if (from === to || !text.slice(from, to).includes("\n")) {
    const spaces = " ".repeat(STEP - ((from - start) % STEP));
    return { from, to, text: spaces, caret: from + spaces.length };
  }
  return onLines(text, from, to, (line) => (line ? " ".repeat(STEP) + line : line));
}

/**
 * Returns the edit of Shift-Tab: the lines of the selection less deep.
 * @param {string} text @param {number} from @param {number} to @returns {Edit}
 */
export function outdented(text, from, to) {
  return onLines(text, from, to, (line) => line.slice(Math.min(STEP, indentOf(line))));
}

/**
 * Returns the edit that makes comments of the selected lines, or text of comments.
 * @param {string} text @param {number} from @param {number} to @returns {Edit}
 */
export function commented(text, from, to) {
  const [start, end] = linesOf(text, from, to);
  const lines = text.slice(start, end).split("\n").filter((line) => line.trim());
  const least = Math.min(...lines.map(indentOf));
  const isComment = lines.length > 0 && lines.every((line) => /^\s*#/.test(line));
  return onLines(text, from, to, (line) => {
    if (!line.trim()) return line;
    if (isComment) return line.replace(/^(\s*)# ?/, "$1");
    return `${line.slice(0, least)}# ${line.slice(least)}`;
  });
}

/**
 * Returns the edit of Backspace within an indentation; null where Backspace does as ever.
 * @param {string} text @param {number} from @param {number} to @returns {Edit | null}
 */
export function backed(text, from, to) {
  const start = text.lastIndexOf("\n", from - 1) + 1;
  const column = from - start;
  if (from !== to || column < STEP || text.slice(start, from).trim()) return null;
  const less = column % STEP || STEP;
  return { from: from - less, to: from, text: "", caret: from - less };
}

/** @param {string} text @param {number} from @param {number} to @returns {[number, number]} */
function linesOf(text, from, to) {
  const start = text.lastIndexOf("\n", from - 1) + 1;
  // A selection that ends at the start of a line leaves that line out.
  const last = to > from && text[to - 1] === "\n" ? to - 1 : to;
  const end = text.indexOf("\n", last);
  return [start, end < 0 ? text.length : end];
}

/**
 * @param {string} text @param {number} from @param {number} to
 * @param {(line: string) => string} change @returns {Edit}
 */
function onLines(text, from, to, change) {
  const [start, end] = linesOf(text, from, to);
  const before = text.slice(start, end).split("\n");
  const after = before.map(change);
  const changed = after.join("\n");
  const first = after[0].length - before[0].length;
  const all = changed.length - (end - start);
  const caret = Math.max(start, from + first);
  return { from: start, to: end, text: changed, caret, caretEnd: Math.max(caret, to + all) };
}

/**
 * Returns line and column, both from 0, of an offset.
 * @param {string} text @param {number} offset @returns {{line: number, column: number}}
 */
export function lineAndColumn(text, offset) {
  let line = 0;
  let start = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) {
    line += 1;
    start = at + 1;
  }
  return { line, column: offset - start };
}

/**
 * Returns the offset of a line and column, both from 0; the nearest where there is none.
 * @param {string} text @param {number} line @param {number} column @returns {number}
 */
export function offsetOf(text, line, column) {
  let start = 0;
  for (let at = 0; at < line; at += 1) {
    const next = text.indexOf("\n", start);
    if (next < 0) break;
    start = next + 1;
  }
  const end = text.indexOf("\n", start);
  return Math.min(start + Math.max(0, column), end < 0 ? text.length : end);
}

/**
 * Returns the offsets of a text in another, without regard to case.
 * @param {string} text @param {string} wanted @param {number} [most] @returns {number[]}
 */
export function occurrences(text, wanted, most = 5_000) {
  /** @type {number[]} */
  const found = [];
  const low = text.toLowerCase();
  const sought = wanted.toLowerCase();
  if (!sought || low.length !== text.length) return found;
  for (let at = low.indexOf(sought); at >= 0 && found.length < most;
    at = low.indexOf(sought, at + sought.length)) found.push(at);
  return found;
}
