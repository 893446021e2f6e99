/**
 * The find bar of an editor.
 *
 * @typedef {{text: () => string, select: (from: number, to: number) => void,
 *   leave: (from: number | null, to: number) => void, redraw: () => void}} FindOwner
 */
import { h } from "./dom.js";
import { lineAndColumn, occurrences } from "./editor_text.js";

export class Find {
  /** @param {FindOwner} owner */
  constructor(owner) {
    this.owner = owner;
    /** @type {number[]} */
    this.found = [];
    this.at = -1;
    this.count = h("span", { class: "editor-found", role: "status" });
    this.input = h("input", {
      type: "search",
      class: "editor-find-text",
      "aria-label": "Find in the config",
      placeholder: "Find",
      oninput: () => this.search(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
    });
    /** @param {string} sign @param {string} words @param {() => void} act */
    const button = (sign, words, act) => h(
      "button", { type: "button", class: "editor-find-button", title: words, onclick: act,
        "aria-label": words }, sign,
    );
    this.element = h(
      "div",
      { class: "editor-find", role: "search" },
      this.input,
      this.count,
      button("↑", "Previous (Shift+Enter)", () => this.go(-1)),
      button("↓", "Next (Enter)", () => this.go(1)),
      button("×", "Close (Esc)", () => this.close()),
    );
    this.element.hidden = true;
  }

  /** @param {string} selected @param {number} offset */
  open(selected, offset) {
    this.element.hidden = false;
    if (selected && !selected.includes("\n")) this.input.value = selected;
    this.input.focus();
    this.input.select();
    this.search(offset);
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** @param {number} [from] */
  search(from = 0) {
    this.found = this.isOpen ? occurrences(this.owner.text(), this.input.value) : [];
    const next = this.found.findIndex((at) => at >= from);
    this.at = this.found.length ? Math.max(0, next) : -1;
    this.shown();
  }

  /** @param {number} by */
  go(by) {
    if (!this.found.length) return;
    this.at = (this.at + by + this.found.length) % this.found.length;
    this.shown();
  }

  shown() {
    const { length } = this.found;
    this.count.textContent = length ? `${this.at + 1} of ${length}`
      : this.input.value ? "nothing" : "";
    const from = this.found[this.at];
    if (from !== undefined) this.owner.select(from, from + this.input.value.length);
    this.owner.redraw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Enter") this.go(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  close() {
    const from = this.found[this.at];
    this.element.hidden = true;
    this.found = [];
    this.owner.redraw();
    this.owner.leave(from ?? null, (from ?? 0) + this.input.value.length);
  }

  /** The hits by lines, for painting. */
  hits() {
    const text = this.found.length ? this.owner.text() : "";
    return this.found.slice(0, 500).map((from, index) => {
      const { line, column } = lineAndColumn(text, from);
      return {
        line, from: column, to: column + this.input.value.length, isCurrent: index === this.at,
      };
    });
  }
}
