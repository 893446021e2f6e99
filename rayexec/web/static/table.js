/**
 * A table that keeps only the rows in view in the page: 1,000,000 rows cost as much as 50.
 *
 * The focus stays on the table itself, which names its active row; so rows may come and go. Keys:
 * arrows, Page Up and Down, Home, End; Enter opens a row, Space selects one.
 */

import { h, replace } from "./dom.js";

/** @import { Child } from "./dom.js" */

/**
 * A column. `width` is a width of a CSS grid; `from` the least width of the table, in pixels, at
 * which the column shows; `sort` makes its heading a button, and `hideLabel` leaves it to screen
 * readers.
 * @template R
 * @typedef {{
 *   key: string,
 *   label: string,
 *   cell: (row: R) => Child | Child[],
 *   width?: string,
 *   from?: number,
 *   align?: "right",
 *   sort?: boolean,
 *   hideLabel?: boolean,
 * }} Column
 */

/**
 * Where rows come from. `row` returns undefined for a row that is not here yet; `need` is called
 * with the rows in view, and may ask a server for them and then call `refresh`.
 * @template R
 * @typedef {{
 *   count: number,
 *   row: (index: number) => R | undefined,
 *   need?: (first: number, last: number) => void,
 * }} Source
 */

/**
 * @template R
 * @typedef {{
 *   label: string,
 *   columns: Column<R>[],
 *   key: (row: R) => string,
 *   rowHeight?: number,
 *   open?: (row: R) => void,
 *   select?: (keys: Set<string>) => void,
 *   sorted?: { key: string, desc: boolean },
 *   sort?: (key: string, desc: boolean) => void,
 *   rowClass?: (row: R) => string,
 *   signal: AbortSignal,
 * }} TableOptions
 */

let made = 0;

/** @template R */
export class Table {
  /** @param {TableOptions<R>} options */
  constructor(options) {
    this.options = options;
    this.rowHeight = options.rowHeight ?? 34;
    /** @type {Source<R>} */
    this.source = { count: 0, row: () => undefined };
    /** @type {Set<string>} */
    this.selected = new Set();
    this.sorted = options.sorted ?? null;
    this.active = 0;
    this.id = `table-${++made}`;
    this.head = h("div", { class: "table-head", role: "row", "aria-rowindex": "1" });
    this.rows = h("div", { class: "table-rows", role: "rowgroup" });
    this.space = h("div", { class: "table-space", role: "presentation" }, this.rows);
    this.body = h("div", { class: "table-body", role: "presentation" }, this.space);
    this.element = h(
      "div",
      {
        class: "table",
        role: "grid",
        tabindex: "0",
        "aria-label": options.label,
        "aria-multiselectable": options.select ? "true" : null,
      },
      h("div", { role: "rowgroup", class: "table-top" }, this.head),
      this.body,
    );
    /** @type {Column<R>[]} */
    this.columns = [];
    this.isPlanned = false;
    this.body.addEventListener("scroll", () => this.refresh(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.rows.addEventListener("click", (event) => this.click(event));
    const watcher = new ResizeObserver(() => this.fit());
    watcher.observe(this.element);
    options.signal.addEventListener("abort", () => watcher.disconnect());
    this.fit();
  }

  /**
   * Show these rows.
   * @param {R[]} rows
   */
  setRows(rows) {
    this.setSource({ count: rows.length, row: (index) => rows[index] });
  }

  /**
   * Show the rows of a source.
   * @param {Source<R>} source
   */
  setSource(source) {
    this.source = source;
    this.active = Math.max(0, Math.min(this.active, source.count - 1));
    this.element.setAttribute("aria-rowcount", String(source.count + 1));
    this.refresh();
  }

  /** Draw the rows in view again, at the next frame. */
  refresh() {
    if (this.isPlanned) return;
    this.isPlanned = true;
    requestAnimationFrame(() => {
      this.isPlanned = false;
      this.draw();
    });
  }

  /** Draw the rows in view now. */
  draw() {
    const { first, last, offset, height } = tableWindow({
      top: this.body.scrollTop,
      view: this.body.clientHeight,
      row: this.rowHeight,
      count: this.source.count,
    });
    this.space.style.height = `${height}px`;
    this.rows.style.transform = `translateY(${offset}px)`;
    this.source.need?.(first, last);
    const drawn = [];
    for (let index = first; index < last; index += 1) drawn.push(this.row(index));
    replace(this.rows, drawn);
    const active = this.source.count ? `${this.id}-${this.active}` : "";
    const isDrawn = this.active >= first && this.active < last;
    if (active && isDrawn) this.element.setAttribute("aria-activedescendant", active);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /**
   * @param {number} index
   * @returns {HTMLElement}
   */
  row(index) {
    const row = this.source.row(index);
    const isSelected = row !== undefined && this.selected.has(this.options.key(row));
    const name = row === undefined ? "is-loading" : (this.options.rowClass?.(row) ?? "");
    return h(
      "div",
      {
        class: `table-row ${name} ${index === this.active ? "is-active" : ""}`,
        role: "row",
        id: `${this.id}-${index}`,
        "data-index": index,
        "aria-rowindex": index + 2,
        "aria-selected": this.options.select ? String(isSelected) : null,
        style: { height: `${this.rowHeight}px` },
      },
      this.columns.map((column) => {
        const cell = row === undefined ? h("span", { class: "skeleton-line" }) : column.cell(row);
        const side = column.align === "right" ? "is-right" : "";
        return h("div", { class: `cell cell-${column.key} ${side}`, role: "gridcell" }, cell);
      }),
    );
  }

  /** Choose the columns that fit, and draw their headings. */
  fit() {
    const width = this.element.clientWidth || innerWidth;
    const columns = this.options.columns.filter((column) => width >= (column.from ?? 0));
    const isSame = columns.length === this.columns.length;
    if (!isSame || !this.head.childElementCount) {
      this.columns = columns;
      const template = columns.map((column) => column.width ?? "minmax(0, 1fr)").join(" ");
      this.element.style.setProperty("--columns", template);
      this.element.setAttribute("aria-colcount", String(columns.length));
      this.drawHead();
    }
    this.refresh();
  }

  drawHead() {
    replace(
      this.head,
      this.columns.map((column) => {
        const isSorted = this.sorted?.key === column.key;
        const order = this.sorted?.desc ? "descending" : "ascending";
        const side = column.align === "right" ? "is-right" : "";
        return h(
          "div",
          {
            class: `cell ${side}`,
            role: "columnheader",
            "aria-sort": isSorted ? order : null,
          },
          column.sort
            ? h(
                "button",
                { class: "sort", type: "button", onclick: () => this.sortBy(column.key) },
                column.label,
                h("span", { class: "sort-sign", "aria-hidden": "true" },
                  isSorted ? (this.sorted?.desc ? "↓" : "↑") : ""),
              )
            : h("span", { class: column.hideLabel ? "hidden" : null }, column.label),
        );
      }),
    );
  }

  /** @param {string} key */
  sortBy(key) {
    const desc = this.sorted?.key === key ? !this.sorted.desc : true;
    this.sorted = { key, desc };
    this.drawHead();
    this.options.sort?.(key, desc);
  }

  /**
   * Make a row the active one, and scroll to it.
   * @param {number} index
   */
  activate(index) {
    if (!this.source.count) return;
    this.active = Math.max(0, Math.min(index, this.source.count - 1));
    this.body.scrollTop = topOf({
      index: this.active,
      top: this.body.scrollTop,
      view: this.body.clientHeight,
      row: this.rowHeight,
      count: this.source.count,
    });
    this.draw();
  }

  /** Return the active row. */
  activeRow() {
    return this.source.row(this.active);
  }

  /**
   * Select a row, or take it out of the selection.
   * @param {R} row
   */
  toggle(row) {
    if (!this.options.select) return;
    const key = this.options.key(row);
    if (!this.selected.delete(key)) this.selected.add(key);
    this.options.select(this.selected);
    this.refresh();
  }

  /** Select nothing. */
  clearSelection() {
    this.selected.clear();
    this.options.select?.(this.selected);
    this.refresh();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.target !== this.element || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.body.clientHeight / this.rowHeight) - 1);
    /** @type {Record<string, number>} */
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, j: 1, k: -1 };
    const row = this.activeRow();
    if (event.key in moves) this.activate(this.active + moves[event.key]);
    else if (event.key === "Home") this.activate(0);
    else if (event.key === "End") this.activate(this.source.count - 1);
    else if (event.key === "Enter" && row !== undefined) this.options.open?.(row);
    else if (event.key === " " && row !== undefined && this.options.select) this.toggle(row);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {MouseEvent} event */
  click(event) {
    const target = event.target instanceof Element ? event.target : null;
    const box = target?.closest(".table-row");
    if (!(box instanceof HTMLElement)) return;
    this.active = Number(box.dataset.index);
    const row = this.activeRow();
    if (row === undefined) return;
    if (target?.closest(".cell-select")) this.toggle(row);
    else if (!target?.closest("a, button, input") && !getSelection()?.toString()) {
      this.options.open?.(row);
    }
    this.refresh();
  }
}

/** Browsers cut elements off beyond some 17 million pixels; a longer table scrolls through this. */
export const MOST_PIXELS = 8_000_000;

/**
 * @typedef {{
 *   first: number,
 *   last: number,
 *   offset: number,
 *   height: number,
 * }} TableWindow rows from `first` up to `last` (exclusive), the pixels above them, and all pixels
 */

/**
 * Return the window of a table.
 * @param {{ top: number, view: number, row: number, count: number, spare?: number }} table pixels
 *   scrolled away, pixels in view, pixels of a row, count of rows, rows kept above and below
 * @returns {TableWindow}
 */
export function tableWindow({ top, view, row, count, spare = 6 }) {
  const all = count * row;
  const height = Math.min(all, MOST_PIXELS);
  const most = Math.max(0, height - view);
  const scrolled = Math.max(0, Math.min(top, most));
  const scale = most > 0 ? (all - view) / most : 1;
  const real = height < all ? scrolled * scale : scrolled;
  const first = Math.max(0, Math.floor(real / row) - spare);
  const last = Math.min(count, Math.ceil((real + view) / row) + spare);
  return { first, last: Math.max(first, last), offset: scrolled - (real - first * row), height };
}

/**
 * Return the pixels to scroll to so that a row is in view; `top` itself where it already is.
 * @param {{ index: number, top: number, view: number, row: number, count: number }} table
 * @returns {number}
 */
export function topOf({ index, top, view, row, count }) {
  const all = count * row;
  const height = Math.min(all, MOST_PIXELS);
  const most = Math.max(0, height - view);
  const scale = height < all && most > 0 ? (all - view) / most : 1;
  const real = Math.min(top, most) * scale;
  if (index * row < real) return (index * row) / scale;
  if ((index + 1) * row > real + view) return ((index + 1) * row - view) / scale;
  return top;
}
