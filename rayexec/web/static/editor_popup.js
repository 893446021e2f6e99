/**
 * The list of suggestions at the caret, and the box of words under the pointer.
 *
 * @typedef {import("./completion.js").Suggestion} Suggestion
 */
import { h, replace } from "./dom.js";

const MOST = 60;
const ROW = 24;
const HIGH = 9;

export class Popup {
  /** @param {HTMLElement} owner @param {(item: Suggestion) => void} accept */
  constructor(owner, accept) {
    this.owner = owner;
    this.accept = accept;
    /** @type {Suggestion[]} */
    this.items = [];
    this.at = 0;
    this.isOpen = false;
    this.list = h("div", {
      class: "editor-options", role: "listbox", id: "editor-options", "aria-label": "Suggestions",
    });
    this.doc = h("div", { class: "editor-doc" });
    this.said = h("div", { class: "hidden", role: "status", "aria-live": "polite" });
    this.element = h("div", { class: "editor-popup" }, this.list, this.doc);
    this.element.hidden = true;
    // A press must not take the focus from the text.
    this.element.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      const option = /** @type {HTMLElement | null} */ (target.closest("[data-at]"));
      if (option) this.accept(this.items[Number(option.dataset.at)]);
    });
  }

  /** @param {Suggestion[]} items @param {number} x @param {number} y of the line's end */
  show(items, x, y) {
    if (!items.length) {
      this.close();
      return;
    }
    const wasOpen = this.isOpen;
    this.items = items.slice(0, MOST);
    this.at = 0;
    this.isOpen = true;
    this.element.hidden = false;
    const rest = items.length - this.items.length;
    replace(
      this.list,
      ...this.items.map((item, index) => option(item, index)),
      rest > 0 && h("div", { class: "editor-more", role: "presentation" }, `${rest} more`),
    );
    this.place(x, y);
    this.mark();
    if (!wasOpen) this.said.textContent = `${items.length} suggestions`;
  }

  /** @param {number} x @param {number} y */
  place(x, y) {
    const { style } = this.element;
    const { width } = this.owner.getBoundingClientRect();
    const room = Math.min(440, width - 12);
    style.width = `${room}px`;
    style.left = `${Math.max(4, Math.min(x, width - room - 8))}px`;
    style.top = `${y}px`;
    this.list.style.maxHeight = `${ROW * HIGH + 6}px`;
  }

  /** @param {number} by */
  move(by) {
    const { length } = this.items;
    this.at = by === 1 || by === -1
      ? (this.at + by + length) % length
      : Math.min(length - 1, Math.max(0, this.at + by));
    this.mark();
    this.said.textContent = this.inWords();
  }

  mark() {
    const options = this.list.querySelectorAll("[data-at]");
    options.forEach((option, index) => {
      option.setAttribute("aria-selected", String(index === this.at));
    });
    this.owner.querySelector("textarea")?.setAttribute(
      "aria-activedescendant", `editor-option-${this.at}`,
    );
    const chosen = /** @type {HTMLElement | undefined} */ (options[this.at]);
    if (chosen) {
      const top = chosen.offsetTop;
      if (top < this.list.scrollTop) this.list.scrollTop = top;
      const least = top + chosen.offsetHeight - this.list.clientHeight;
      if (least > this.list.scrollTop) this.list.scrollTop = least;
    }
    const { detail, doc } = this.items[this.at];
    replace(this.doc, detail && h("div", { class: "editor-detail" }, detail),
      doc && h("div", null, doc));
    this.doc.hidden = !detail && !doc;
  }

  inWords() {
    const { label, detail, doc } = this.items[this.at];
    return [label, detail, doc].filter(Boolean).join(", ");
  }

  /** @returns {Suggestion | undefined} */
  chosen() {
    return this.isOpen ? this.items[this.at] : undefined;
  }

  close() {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.element.hidden = true;
    this.said.textContent = "";
    replace(this.list);
    this.owner.querySelector("textarea")?.removeAttribute("aria-activedescendant");
  }
}

/** @param {Suggestion} item @param {number} index */
function option(item, index) {
  const { label, brief, kind, isRequired, hits } = item;
  const name = [];
  let from = 0;
  for (const hit of hits ?? []) {
    if (hit > from) name.push(label.slice(from, hit));
    name.push(h("b", null, label[hit]));
    from = hit + 1;
  }
  name.push(label.slice(from));
  return h(
    "div",
    { class: "editor-option", role: "option", id: `editor-option-${index}`, "data-at": index,
      "aria-selected": "false" },
    h("span", { class: `editor-kind is-${kind}`, "aria-hidden": "true" },
      kind === "key" ? "k" : kind === "value" ? "v" : "$"),
    h("span", { class: "editor-name" }, ...name),
    isRequired && h("span", { class: "editor-required" }, "required"),
    h("span", { class: "editor-brief" }, brief ?? ""),
  );
}

/** Words under the pointer, or at the caret by a key. */
export class Hover {
  constructor() {
    this.element = h("div", { class: "editor-hover", role: "tooltip" });
    this.element.hidden = true;
  }

  /**
   * @param {{title?: string, text?: string, isProblem?: boolean}[]} parts
   * @param {number} x @param {number} y @param {number} width of the editor
   */
  show(parts, x, y, width) {
    if (!parts.length) {
      this.close();
      return;
    }
    replace(this.element, ...parts.map(({ title, text, isProblem }) => h(
      "div",
      { class: isProblem ? "is-problem" : "" },
      title && h("div", { class: "editor-detail" }, title),
      text && h("div", null, text),
    )));
    this.element.hidden = false;
    this.element.style.left = `${Math.max(4, Math.min(x, width - 380))}px`;
    this.element.style.top = `${y}px`;
  }

  close() {
    this.element.hidden = true;
  }
}
