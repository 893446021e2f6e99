/** Text of terminals as pieces with class names: colours, progress bars, links. Pure. */

/** @typedef {{text: string, classes: string[], href?: string}} Piece */

/** @typedef {object} Style state that goes from line to line
 *  @property {string | null} fg
 *  @property {string | null} bg
 *  @property {boolean} bold
 *  @property {boolean} dim
 *  @property {boolean} italic
 *  @property {boolean} underline
 *  @property {boolean} inverse */

/** Characters of a line that are shown; the rest is downloaded or copied. */
export const MOST_SHOWN = 4000;

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** @returns {Style} */
export function plainStyle() {
  return {
    fg: null,
    bg: null,
    bold: false,
    dim: false,
    italic: false,
    underline: false,
    inverse: false,
  };
}

/**
 * Return the last state of a line that wrote over itself, as a progress bar does.
 * @param {string} line
 */
export function foldReturns(line) {
  if (!line.includes("\r")) return line;
  const states = line.split("\r");
  for (let i = states.length - 1; i >= 0; i--) {
    if (states[i].replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "").trim()) return states[i];
  }
  return "";
}

/**
 * Return the beginning of a line that is too long, and how many characters are left out.
 * @param {string} line
 * @param {number} [most]
 */
export function cutLine(line, most = MOST_SHOWN) {
  if (line.length <= most) return { text: line, left: 0 };
  return { text: line.slice(0, most), left: line.length - most };
}

// CSI sequences; OSC up to its end; other escapes of two characters; single control characters.
const ESCAPE = new RegExp(
  [
    "\\u001b\\[([0-9;:?<=>]*)[ -/]*([@-~])",
    "\\u001b\\][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\|$)",
    "\\u001b[ -/]*[0-~]?",
    "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]",
  ].join("|"),
  "g",
);

/**
 * Return a line as pieces; escapes that are no colours are left out. `style` is changed.
 * @param {string} line
 * @param {Style} [style]
 * @returns {Piece[]}
 */
export function pieces(line, style = plainStyle()) {
  /** @type {Piece[]} */
  const answer = [];
  let last = 0;
  const add = (/** @type {string} */ text) => {
    if (text) answer.push({ text, classes: classesOf(style) });
  };
  for (const match of line.matchAll(ESCAPE)) {
    add(line.slice(last, match.index));
    last = match.index + match[0].length;
    if (match[2] === "m") apply(style, match[1]);
  }
  add(line.slice(last));
  return answer;
}

/**
 * @param {Style} style
 * @param {string} codes
 */
function apply(style, codes) {
  const numbers = codes.split(/[;:]/).map((code) => (code === "" ? 0 : Number(code)));
  for (let i = 0; i < numbers.length; i++) {
    const code = numbers[i];
    if (code === 0) Object.assign(style, plainStyle());
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 3) style.italic = true;
    else if (code === 4) style.underline = true;
    else if (code === 7) style.inverse = true;
    else if (code === 22) style.bold = style.dim = false;
    else if (code === 23) style.italic = false;
    else if (code === 24) style.underline = false;
    else if (code === 27) style.inverse = false;
    else if (code === 39) style.fg = null;
    else if (code === 49) style.bg = null;
    else if (code >= 30 && code <= 37) style.fg = NAMES[code - 30];
    else if (code >= 40 && code <= 47) style.bg = NAMES[code - 40];
    else if (code >= 90 && code <= 97) style.fg = NAMES[code - 90];
    else if (code >= 100 && code <= 107) style.bg = NAMES[code - 100];
    else if (code === 38 || code === 48) {
      const name = extended(numbers.slice(i + 1));
      if (code === 38) style.fg = name;
      else style.bg = name;
      i += numbers[i + 1] === 2 ? 4 : 2;
    }
  }
}

/**
 * Return the nearest of the eight colours: they have enough contrast in both themes.
 * @param {number[]} numbers
 */
function extended(numbers) {
  if (numbers[0] === 2) return nearest(numbers[1], numbers[2], numbers[3]);
  const index = numbers[1];
  if (!(index >= 0 && index < 256)) return null;
  if (index < 16) return NAMES[index % 8];
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return nearest(grey, grey, grey);
  }
  const cube = index - 16;
  const level = (/** @type {number} */ value) => (value ? 55 + value * 40 : 0);
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

/**
 * @param {number} red
 * @param {number} green
 * @param {number} blue
 */
function nearest(red, green, blue) {
  const most = Math.max(red, green, blue);
  if (!(most >= 0)) return null;
  if (most < 48) return NAMES[0];
  const half = most * 0.6;
  const bits = (red >= half ? 1 : 0) | (green >= half ? 2 : 0) | (blue >= half ? 4 : 0);
  return NAMES[bits];
}

/** @param {Style} style */
function classesOf(style) {
  const classes = [];
  const fg = style.inverse ? style.bg : style.fg;
  const bg = style.inverse ? style.fg : style.bg;
  if (fg) classes.push(`ansi-${fg}`);
  if (bg) classes.push(`ansi-on-${bg}`);
  if (style.inverse && !fg && !bg) classes.push("ansi-inverse");
  if (style.bold) classes.push("ansi-bold");
  if (style.dim) classes.push("ansi-dim");
  if (style.italic) classes.push("ansi-italic");
  if (style.underline) classes.push("ansi-underline");
  return classes;
}

const LINK = /\bhttps?:\/\/[^\s<>"'`\u2028\u2029]+[^\s<>"'`.,;:!?)\]}]/g;

/**
 * Return the pieces with addresses of the web as pieces of their own; no other scheme links.
 * @param {Piece[]} list
 * @returns {Piece[]}
 */
export function withLinks(list) {
  /** @type {Piece[]} */
  const answer = [];
  for (const piece of list) {
    let last = 0;
    for (const match of piece.text.matchAll(LINK)) {
      if (match.index > last) {
        answer.push({ text: piece.text.slice(last, match.index), classes: piece.classes });
      }
      answer.push({ text: match[0], classes: piece.classes, href: match[0] });
      last = match.index + match[0].length;
    }
    if (last < piece.text.length) {
      answer.push(last ? { text: piece.text.slice(last), classes: piece.classes } : piece);
    }
  }
  return answer;
}

/**
 * Return a line without escapes, for copies.
 * @param {string} line
 */
export function plainText(line) {
  return foldReturns(line).replace(ESCAPE, "");
}
