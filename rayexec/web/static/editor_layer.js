/**
 * The painted text below a textarea: coloured tokens, problem marks and line numbers, of the lines
 * in view only.
 *
 * @typedef {import("./editor_marks.js").Mark} Mark
 */
import { h, replace } from "./dom.js";
import { marksOfLine } from "./editor_marks.js";
import { GOES_ON, tokensOf } from "./yaml_tokens.js";

export const LINE = 20;
export const PAD = 8;
const AROUND = 6;
const TAB = 2;
const NONE = "";

/** Measures text in the editor's font, by its pixels: wide characters and tabs count as drawn. */
export class Ruler {
  constructor() {
    this.context = document.createElement("canvas").getContext("2d");
    this.narrow = 8;
  }

  /** @param {HTMLElement} element of the editor's font */
  use(element) {
    const style = getComputedStyle(element);
    if (!this.context) return;
    this.context.font = `${style.fontSize} ${style.fontFamily}`;
    this.narrow = this.context.measureText("0000000000").width / 10 || 8;
  }

  /** @param {string} text @returns {number} */
  width(text) {
    if (/^[\x20-\x7e]*$/.test(text)) return text.length * this.narrow;
    let width = 0;
    const parts = text.split("\t");
    parts.forEach((part, index) => {
      width += this.context?.measureText(part).width ?? 0;
      if (index < parts.length - 1) {
        const stop = this.narrow * TAB;
        width = (Math.floor(width / stop + 1e-6) + 1) * stop;
      }
    });
    return width;
  }

  /** @param {string} line @param {number} x @returns {number} the column at x */
  column(line, x) {
    let low = 0;
    let high = line.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.width(line.slice(0, middle + 1)) <= x) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class Layer {
  constructor() {
    this.ruler = new Ruler();
    /** @type {string[]} */
    this.lines = [""];
    /** @type {string[]} the state at the start of each line */
    this.states = [NONE];
    /** @type {Mark[]} */
    this.marks = [];
    this.current = -1;
    this.text = h("div", { class: "editor-layer", "aria-hidden": "true" });
    this.gutter = h("div", { class: "editor-gutter", "aria-hidden": "true" });
  }

  /**
   * Compares the lines with the new ones; returns the first changed line and the lines added.
   * @param {string} text @returns {{line: number, added: number}}
   */
  set(text) {
    const before = this.lines;
    const lines = text.split("\n");
    const most = Math.min(before.length, lines.length);
    let head = 0;
    while (head < most && before[head] === lines[head]) head += 1;
    const added = lines.length - before.length;
    const old = this.states;
    // Lines that only came at the end begin with the state that the last one leaves.
    const first = Math.min(head, old.length - 1, lines.length - 1);
    const states = old.slice(0, first + 1);
    for (let at = first; at < lines.length - 1; at += 1) {
      // Most lines have nothing that goes over their end.
      const isPlain = states[at] === NONE && !GOES_ON.test(lines[at]);
      states.push(isPlain ? NONE : tokensOf(lines[at], states[at]).state);
    }
    this.lines = lines;
    this.states = states;
    return { line: head, added };
  }

  /** @returns {{width: number, height: number}} */
  size() {
    let longest = "";
    let most = 0;
    for (const line of this.lines) {
      if (line.length <= most) continue;
      most = line.length;
      longest = line;
    }
    return { width: this.ruler.width(longest) + 4 * PAD, height: this.lines.length * LINE };
  }

  /**
   * @param {number} top of the view @param {number} height of the view
   * @param {{line: number, from: number, to: number, isCurrent: boolean}[]} found
   */
  draw(top, height, found) {
    const first = Math.max(0, Math.floor((top - PAD) / LINE) - AROUND);
    const last = Math.min(this.lines.length, Math.ceil((top + height) / LINE) + AROUND);
    const texts = [];
    const numbers = [];
    for (let at = first; at < last; at += 1) {
      const marks = this.marks.filter((mark) => mark.line <= at && mark.endLine >= at);
      texts.push(this.line(at, marks, found));
      const worst = marks.find((mark) => mark.line === at);
      const number = h(
        "div",
        {
          class: `editor-number${worst ? " is-wrong" : ""}${
            at === this.current ? " is-current" : ""}`,
          title: worst?.message,
          "data-line": String(at),
        },
        `${worst ? "✕ " : ""}${at + 1}`,
      );
      number.style.top = `${at * LINE + PAD}px`;
      numbers.push(number);
    }
    replace(this.text, ...texts);
    replace(this.gutter, ...numbers);
  }

  /**
   * @param {number} at @param {Mark[]} marks
   * @param {{line: number, from: number, to: number, isCurrent: boolean}[]} found
   */
  line(at, marks, found) {
    const text = this.lines[at];
    const parts = [];
    let from = 0;
    for (const token of tokensOf(text, this.states[at] ?? NONE).tokens) {
      if (token.from > from) parts.push(text.slice(from, token.from));
      const words = text.slice(token.from, token.to);
      parts.push(token.type === "plain" ? words : h("span", { class: `y-${token.type}` }, words));
      from = token.to;
    }
    if (from < text.length) parts.push(text.slice(from));
    const squiggles = marksOfLine(marks, at, text).map(([start, end]) => (
      this.box(text, start, end, "editor-squiggle")
    ));
    const hits = found.filter((one) => one.line === at).map((one) => (
      this.box(text, one.from, one.to, `editor-hit${one.isCurrent ? " is-current" : ""}`)
    ));
    const line = h(
      "div",
      { class: `editor-line${at === this.current ? " is-current" : ""}` },
      ...hits, ...parts, ...squiggles,
    );
    line.style.top = `${at * LINE + PAD}px`;
    return line;
  }

  /** @param {string} text @param {number} from @param {number} to @param {string} name */
  box(text, from, to, name) {
    const box = h("span", { class: name });
    const left = this.ruler.width(text.slice(0, from));
    box.style.left = `${left}px`;
    box.style.width = `${Math.max(6, this.ruler.width(text.slice(0, to)) - left)}px`;
    return box;
  }
}
