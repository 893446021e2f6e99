/**
 * Problem marks of an editor: lines and columns from 0, that move with the text until the next
 * check.
 *
 * @typedef {{line: number, column: number, endLine: number, endColumn: number,
 *   message: string, fix?: string | null}} Mark
 * @typedef {import("./types.js").Problem} Problem
 */

/**
 * @param {Problem[]} problems with lines and columns from 1 @returns {Mark[]}
 */
export function marksOf(problems) {
  return problems.filter((problem) => problem.line > 0).map((problem) => ({
    line: problem.line - 1,
    column: Math.max(0, (problem.column || 1) - 1),
    endLine: Math.max(problem.line, problem.end_line || 0) - 1,
    endColumn: Math.max(0, (problem.end_column || problem.column || 1) - 1),
    message: problem.message,
    fix: problem.fix,
  }));
}

/**
 * Returns problems with columns in units of a JS string: the server counts an emoji as one.
 * @param {Problem[]} problems @param {string} text @returns {Problem[]}
 */
export function inUnits(problems, text) {
  if (!/[\ud800-\udbff]/.test(text)) return problems;
  const lines = text.split(/\r\n|[\n\r\u0085\u2028\u2029]/);
  /** @param {number} line @param {number} column */
  const column = (line, column) => (
    [...(lines[line - 1] ?? "")].slice(0, column - 1).join("").length + 1);
  return problems.map((one) => (one.line ? {
    ...one,
    column: column(one.line, one.column),
    end_column: column(one.end_line, one.end_column),
  } : one));
}

/**
 * Moves marks below a change by the lines that it added.
 * @param {Mark[]} marks @param {number} line first changed line @param {number} added
 * @returns {Mark[]}
 */
export function moved(marks, line, added) {
  if (!added) return marks;
  return marks
    .filter((mark) => mark.line <= line || mark.line + added >= line)
    .map((mark) => (mark.line <= line ? mark : {
      ...mark, line: mark.line + added, endLine: mark.endLine + added,
    }));
}

/**
 * Returns the columns to underline in a line, without the space around its text.
 * @param {Mark[]} marks @param {number} line @param {string} text
 * @returns {[number, number][]}
 */
export function marksOfLine(marks, line, text) {
  return marks.map((mark) => {
    const indent = text.length - text.trimStart().length;
    let from = mark.line === line ? Math.min(mark.column, text.length) : indent;
    let to = mark.endLine === line ? Math.min(mark.endColumn, text.length) : text.trimEnd().length;
    // A mark over whole nested lines shows on its first line only.
    if (mark.line !== line) return /** @type {[number, number]} */ ([0, 0]);
    if (to <= from) to = Math.max(from + 1, text.trimEnd().length);
    if (from >= text.length && text.length) from = indent;
    return /** @type {[number, number]} */ ([from, to]);
  }).filter(([from, to]) => to > from);
}

/**
 * Returns the marks at a place.
 * @param {Mark[]} marks @param {number} line @param {number} column @returns {Mark[]}
 */
export function marksAt(marks, line, column) {
  return marks.filter((mark) => {
    if (line < mark.line || line > mark.endLine) return false;
    if (line === mark.line && column < mark.column) return false;
    return line !== mark.endLine || mark.endColumn <= mark.column || column <= mark.endColumn;
  });
}
