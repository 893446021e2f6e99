/**
 * The field of an op selection, with completion of names, and how many ops it takes.
 */
import { ranked } from "./completion.js";
import { h, replace } from "./dom.js";
import { selectionPart } from "./launch_text.js";

const MOST = 12;

export class SelectionBox {
  /** @param {{onChange: (text: string) => void}} options */
  constructor(options) {
    this.options = options;
    /** @type {string[]} */
    this.ops = [];
    /** @type {string[]} */
    this.shown = [];
    this.at = -1;
    this.input = h("input", {
      class: "input mono",
      type: "text",
      spellcheck: "false",
      autocomplete: "off",
      placeholder: "all ops",
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": "selection-options",
      "aria-describedby": "selection-count",
      oninput: () => {
        this.suggest();
        this.options.onChange(this.input.value);
      },
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
      onblur: () => this.close(),
    });
    this.count = h("span", { class: "selection-count", id: "selection-count", role: "status" });
    this.list = h("div", { class: "selection-options", id: "selection-options", role: "listbox",
      "aria-label": "Ops" });
    this.list.hidden = true;
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const target = /** @type {HTMLElement} */ (event.target).closest("[data-at]");
      if (target instanceof HTMLElement) this.accept(this.shown[Number(target.dataset.at)]);
    });
    this.element = h(
      "label",
      { class: "field selection" },
      h("span", null, "Ops ", this.count),
      this.input,
      this.list,
    );
  }

  /** @param {string} text */
  set(text) {
    this.input.value = text;
    this.close();
  }

  /** @param {string[]} ops paths of all ops */
  setOps(ops) {
    const graphs = new Set();
    for (const path of ops) {
      for (let dot = path.indexOf("."); dot > 0; dot = path.indexOf(".", dot + 1)) {
        graphs.add(path.slice(0, dot));
      }
    }
    this.ops = [...graphs, ...ops];
  }

  /** @param {string} words @param {boolean} isWrong */
  say(words, isWrong) {
    this.count.textContent = words;
    this.input.toggleAttribute("aria-invalid", isWrong);
    if (isWrong) this.input.setAttribute("aria-invalid", "true");
  }

  suggest() {
    const { typed } = selectionPart(this.input.value, this.input.selectionStart ?? 0);
    const items = this.ops.map((label) => (
      /** @type {import("./completion.js").Suggestion} */ ({ label, insert: label, kind: "key" })));
    this.shown = typed ? ranked(items, typed).slice(0, MOST).map(({ label }) => label) : [];
    if (this.shown.length === 1 && this.shown[0] === typed) this.shown = [];
    this.at = this.shown.length ? 0 : -1;
    this.draw();
  }

  draw() {
    const isOpen = this.shown.length > 0;
    this.list.hidden = !isOpen;
    this.input.setAttribute("aria-expanded", String(isOpen));
    replace(this.list, ...this.shown.map((name, index) => h(
      "div",
      { class: "editor-option mono", role: "option", id: `selection-${index}`, "data-at": index,
        "aria-selected": String(index === this.at) },
      name,
    )));
    if (isOpen) this.input.setAttribute("aria-activedescendant", `selection-${this.at}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  /** @param {string | undefined} name */
  accept(name) {
    if (name === undefined) return;
    const { from, to } = selectionPart(this.input.value, this.input.selectionStart ?? 0);
    this.input.focus();
    this.input.setSelectionRange(from, to);
    document.execCommand("insertText", false, name);
    this.close();
    this.options.onChange(this.input.value);
  }

  close() {
    this.shown = [];
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.isComposing || event.ctrlKey || event.metaKey) return;
    if (!this.shown.length) {
      if (event.key !== "ArrowDown") return;
      this.suggest();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const by = event.key === "ArrowDown" ? 1 : -1;
      this.at = (this.at + by + this.shown.length) % this.shown.length;
      this.draw();
    } else if (event.key === "Enter" || event.key === "Tab") this.accept(this.shown[this.at]);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
