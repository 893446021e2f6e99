/**
 * The graph as a list: a tree of rows with the same facts, for reading, searching and screen
 * readers. Only rows in view are elements.
 *
 * @typedef {import("./graph_walk.js").TreeRow} TreeRow
 * @typedef {{onChoose: (id: string) => void, onToggle: (id: string) => void,
 *   words: (row: TreeRow) => string, sub: (row: TreeRow) => string}} TreeOptions
 */
import { h, replace } from "./dom.js";

const ROW = 26;
const AROUND = 8;
let trees = 0;

export class GraphTree {
  /** @param {TreeOptions} options */
  constructor(options) {
    this.options = options;
    this.name = `graph-tree-${++trees}`;
    /** @type {TreeRow[]} */
    this.rows = [];
    /** @type {string | null} */
    this.chosen = null;
    /** @type {Set<string> | null} */
    this.lit = null;
    this.list = h("div", { class: "graph-tree-rows", role: "presentation" });
    this.element = h(
      "div",
      {
        class: "graph-tree",
        role: "tree",
        tabindex: "0",
        "aria-label": "Ops of the graph",
        onscroll: () => this.draw(),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
        onclick: (/** @type {MouseEvent} */ event) => this.click(event),
      },
      this.list,
    );
  }

  /** @param {TreeRow[]} rows @param {string | null} chosen @param {Set<string> | null} lit */
  show(rows, chosen, lit) {
    const isMoved = chosen !== this.chosen || rows !== this.rows;
    this.rows = rows;
    this.chosen = chosen;
    this.lit = lit;
    this.list.style.height = `${rows.length * ROW}px`;
    if (isMoved) this.reveal();
    this.draw();
  }

  reveal() {
    const at = this.rows.findIndex((row) => row.node.id === this.chosen);
    if (at < 0) return;
    const top = at * ROW;
    const { scrollTop, clientHeight } = this.element;
    if (!clientHeight) return;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) {
      this.element.scrollTop = top + ROW - clientHeight;
    }
  }

  draw() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - AROUND);
    const last = Math.min(
      this.rows.length,
      Math.ceil((scrollTop + (clientHeight || 400)) / ROW) + AROUND,
    );
    const items = [];
    let active = "";
    for (let index = first; index < last; index += 1) {
      const row = this.rows[index];
      const isChosen = row.node.id === this.chosen;
      const id = `${this.name}-${index}`;
      if (isChosen) active = id;
      items.push(this.item(row, index, id, isChosen));
    }
    replace(this.list, ...items);
    if (active) this.element.setAttribute("aria-activedescendant", active);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** @param {TreeRow} row @param {number} index @param {string} id @param {boolean} isChosen */
  item(row, index, id, isChosen) {
    const { node, level, position, size } = row;
    const isGraph = node.kind !== "op";
    const isOut = this.lit !== null && !this.lit.has(node.id);
    const item = h(
      "div",
      {
        id,
        class: `graph-tree-row${isChosen ? " is-chosen" : ""}${isOut ? " is-out" : ""}`,
        role: "treeitem",
        "aria-level": String(level),
        "aria-posinset": String(position),
        "aria-setsize": String(size),
        "aria-selected": String(isChosen),
        "aria-label": this.options.words(row),
        "data-id": node.id,
        ...(isGraph ? { "aria-expanded": String(node.is_open) } : {}),
      },
      h("span", { class: "graph-tree-sign", "data-toggle": isGraph ? "1" : null },
        isGraph ? (node.is_open ? "▾" : "▸") : ""),
      h("span", { class: "graph-tree-name" }, node.label),
      h("span", { class: "graph-tree-sub" }, this.options.sub(row)),
    );
    item.style.top = `${index * ROW}px`;
    item.style.paddingLeft = `${8 + (level - 1) * 14}px`;
    return item;
  }

  /** @param {MouseEvent} event */
  click(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const item = /** @type {HTMLElement | null} */ (target.closest("[data-id]"));
    if (!item?.dataset.id) return;
    if (target.dataset.toggle) this.options.onToggle(item.dataset.id);
    else this.options.onChoose(item.dataset.id);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.rows.findIndex((row) => row.node.id === this.chosen);
    const node = this.rows[at]?.node;
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 1);
    /** @type {Record<string, number>} */
    const moves = {
      ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.rows.length - 1,
      PageDown: at + page, PageUp: at - page,
    };
    if (event.key in moves) {
      const next = Math.min(this.rows.length - 1, Math.max(0, moves[event.key]));
      if (this.rows[next]) this.options.onChoose(this.rows[next].node.id);
    } else if (node && node.kind !== "op" && (
      event.key === "Enter" || event.key === (node.is_open ? "ArrowLeft" : "ArrowRight")
    )) {
      this.options.onToggle(node.id);
    } else if (event.key === "ArrowLeft" && at >= 0) {
      const level = this.rows[at].level;
      const parent = this.rows.slice(0, at).reverse().find((row) => row.level < level);
      if (parent) this.options.onChoose(parent.node.id);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
