/**
 * Editor of YAML: a plain textarea over painted text, with completion, documentation, problem
 * marks, find and indentation. Undo is the browser's own.
 *
 * @typedef {import("./completion.js").Suggestion} Suggestion
 * @typedef {import("./yaml_place.js").Place} Place
 * @typedef {import("./yaml_place.js").Path} Path
 * @typedef {{
 *   label: string,
 *   value?: string,
 *   onChange?: (text: string) => void,
 *   complete?: (place: Place, text: string) => Suggestion[],
 *   describe?: (path: Path) => {title: string, text: string} | null,
 *   signal?: AbortSignal,
 * }} EditorOptions
 */
import { h } from "./dom.js";
import { Find } from "./editor_find.js";
import { LINE, Layer, PAD } from "./editor_layer.js";
import { marksAt, marksOf, moved } from "./editor_marks.js";
import { Hover, Popup } from "./editor_popup.js";
import {
  backed, change, commented, entered, indented, lineAndColumn, offsetOf, outdented,
} from "./editor_text.js";
import { pathAt, placeAt } from "./yaml_place.js";

const HOVER_MS = 250;

export class Editor {
  /** @param {EditorOptions} options */
  constructor(options) {
    this.options = options;
    this.layer = new Layer();
    this.isLeaving = false;
    this.frame = 0;
    // Sizes are kept: to read them after a change would lay out the whole text for each key.
    this.view = { width: 0, height: 0, top: 0, left: 0, gutter: 0 };
    this.sized = "";
    this.isMeasured = false;
    this.isApplying = false;
    /** @type {Place | null} */
    this.asked = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.hoverTimer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.pathTimer = undefined;
    this.area = h("textarea", {
      class: "editor-text",
      spellcheck: "false",
      autocomplete: "off",
      autocapitalize: "off",
      wrap: "off",
      "aria-label": options.label,
      "aria-autocomplete": "list",
      "aria-describedby": "editor-path",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
      oninput: (/** @type {InputEvent} */ event) => this.changed(event),
      onblur: () => this.popup.close(),
      onpointermove: (/** @type {PointerEvent} */ event) => this.pointed(event),
      onpointerleave: () => this.unpointed(),
      onpointerdown: () => this.popup.close(),
    });
    this.sheet = h("div", { class: "editor-sheet" }, this.layer.text, this.area);
    this.scroll = h("div", {
      class: "editor-scroll", tabindex: "-1", onscroll: () => this.scrolled(),
    }, this.layer.gutter, this.sheet);
    this.path = h("div", { class: "editor-path", id: "editor-path" });
    this.find = new Find({
      text: () => this.area.value,
      select: (from, to) => {
        this.area.setSelectionRange(from, to);
        this.reveal(from);
      },
      leave: (from, to) => {
        this.area.focus();
        if (from !== null) this.area.setSelectionRange(from, to);
      },
      redraw: () => this.paint(),
    });
    this.element = h("div", { class: "editor" }, this.find.element, this.scroll, this.path);
    this.popup = new Popup(this.element, (item) => this.accept(item));
    this.hover = new Hover();
    this.element.append(this.popup.element, this.popup.said, this.hover.element);
    const watcher = new ResizeObserver(() => this.measured());
    watcher.observe(this.scroll);
    options.signal?.addEventListener("abort", () => watcher.disconnect());
    document.addEventListener("selectionchange", () => this.selected(), { signal: options.signal });
    this.area.value = options.value ?? "";
    this.layer.set(this.area.value);
  }

  get value() {
    return this.area.value;
  }

  /** Replaces the text as another document: undo ends here. @param {string} text */
  open(text) {
    this.area.value = text;
    this.layer.marks = [];
    this.layer.set(text);
    this.area.setSelectionRange(0, 0);
    this.scroll.scrollTop = this.view.top = 0;
    this.resized();
  }

  /** Changes the text where it differs, as one edit that undo takes back. @param {string} text */
  update(text) {
    const edit = change(this.area.value, text);
    if (!edit) return;
    this.area.focus();
    this.apply(edit);
    this.area.setSelectionRange(edit.from, edit.from);
    this.reveal(edit.from);
  }

  /** @param {import("./types.js").Problem[]} problems */
  setProblems(problems) {
    this.layer.marks = marksOf(problems);
    if (this.layer.marks.length) this.area.setAttribute("aria-invalid", "true");
    else this.area.removeAttribute("aria-invalid");
    this.paint();
    this.selected();
  }

  /** @param {number} line from 1 @param {number} column from 1 */
  goTo(line, column) {
    const offset = offsetOf(this.area.value, line - 1, column - 1);
    this.area.focus();
    this.area.setSelectionRange(offset, offset);
    this.reveal(offset);
    this.selected();
  }

  /** Puts the fix of a problem in its place. @param {import("./types.js").Problem} problem */
  mend({ line, column, end_line: endLine, end_column: endColumn, fix }) {
    const from = offsetOf(this.area.value, line - 1, column - 1);
    const to = offsetOf(this.area.value, endLine - 1, endColumn - 1);
    const text = fix ?? "";
    this.area.focus();
    this.apply({ from, to, text, caret: from + text.length });
  }

  focus() {
    this.area.focus();
  }

  /** @param {InputEvent} event */
  changed(event) {
    const { line, added } = this.layer.set(this.area.value);
    this.layer.marks = moved(this.layer.marks, line, added);
    this.hover.close();
    this.resized();
    // Each look at the selection takes up to a millisecond in a long text, so there is one.
    const caret = this.area.selectionStart;
    this.reveal(caret);
    if (this.find.isOpen) this.find.search(caret);
    const isTyped = event.inputType === "insertText" && event.data?.length === 1;
    if (isTyped && !this.isApplying) this.suggest(false, caret);
    else if (this.popup.isOpen && event.inputType.startsWith("delete")) this.suggest(false);
    else this.popup.close();
    this.options.onChange?.(this.area.value);
  }

  /**
   * @param {boolean} isAsked by Ctrl-Space
   * @param {number} [caret] where somebody has just typed
   */
  suggest(isAsked, caret) {
    const text = this.area.value;
    const offset = caret ?? this.area.selectionStart;
    const isRange = caret === undefined && offset !== this.area.selectionEnd;
    if (isRange || !this.options.complete) {
      this.popup.close();
      return;
    }
    const place = placeAt(text, offset);
    const isWanted = isAsked || place.prefix !== "" || place.slot === "value";
    const items = isWanted && place.slot !== "none" ? this.options.complete(place, text) : [];
    const [only] = items;
    const isDone = items.length === 1 && only.label === place.prefix && !isAsked;
    this.asked = place;
    if (isDone || !items.length) {
      this.popup.close();
      return;
    }
    const { x, y } = this.caret(place.from);
    this.popup.show(items, x, y + LINE + 2);
  }

  /** @param {Suggestion} item */
  accept(item) {
    const place = this.asked;
    this.popup.close();
    if (!place) return;
    const { from, to } = place;
    const text = `${place.needsSpace ? " " : ""}${item.insert}`;
    this.area.focus();
    this.apply({ from, to, text, caret: from + text.length });
    if (item.isOpening) this.suggest(true);
  }

  /** @param {import("./editor_text.js").Edit} edit */
  apply(edit) {
    this.isApplying = true;
    this.area.setSelectionRange(edit.from, edit.to);
    // Deprecated, but the one way in that keeps the browser's undo.
    if (edit.text) document.execCommand("insertText", false, edit.text);
    else if (edit.from !== edit.to) document.execCommand("delete");
    this.area.setSelectionRange(edit.caret, edit.caretEnd ?? edit.caret);
    this.isApplying = false;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.isComposing) return;
    const isMod = event.ctrlKey || event.metaKey;
    if (this.popup.isOpen && this.popupKey(event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const isLeaving = this.isLeaving;
    if (event.key !== "Shift") this.isLeaving = false;
    if (event.key.length === 1 && !isMod) return;
    const { selectionStart: from, selectionEnd: to, value } = this.area;
    /** @type {import("./editor_text.js").Edit | null} */
    let edit = null;
    if (event.key === "Tab" && !isMod && !event.altKey) {
      if (isLeaving) return;
      edit = (event.shiftKey ? outdented : indented)(value, from, to);
    } else if (event.key === "Escape") {
      this.isLeaving = true;
      this.hover.close();
      this.popup.said.textContent = "Tab leaves the editor";
      return;
    } else if (event.key === "Enter" && !isMod && !event.shiftKey) {
      edit = entered(value, from, to);
    } else if (event.key === "Backspace" && !isMod) {
      edit = backed(value, from, to);
    } else if (isMod && event.key === " ") {
      this.suggest(true);
      event.preventDefault();
    } else if (isMod && event.key === "/") {
      edit = commented(value, from, to);
    } else if (isMod && event.key.toLowerCase() === "f" && !event.shiftKey) {
      this.find.open(value.slice(from, to), from);
      event.preventDefault();
      event.stopPropagation();
    } else if (isMod && (event.key === "i" || event.key === "I")) {
      this.hoverAt(from);
      event.preventDefault();
    }
    if (!edit) return;
    event.preventDefault();
    event.stopPropagation();
    this.apply(edit);
  }

  /** @param {KeyboardEvent} event @returns {boolean} */
  popupKey(event) {
    if (event.ctrlKey || event.metaKey) return false;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    const by = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (by) this.popup.move(by);
    else if (event.key === "Enter" || event.key === "Tab") {
      const item = this.popup.chosen();
      if (item) this.accept(item);
    } else if (event.key === "Escape") this.popup.close();
    else return false;
    return true;
  }

  selected() {
    if (document.activeElement !== this.area) return;
    const { selectionStart, value } = this.area;
    const { line, column } = lineAndColumn(value, selectionStart);
    if (line !== this.layer.current) {
      this.layer.current = line;
      this.paint();
    }
    clearTimeout(this.pathTimer);
    this.pathTimer = setTimeout(() => this.showPath(line, column), 60);
  }

  /** Says below the text where the caret is. @param {number} line @param {number} column */
  showPath(line, column) {
    const { selectionStart, value } = this.area;
    const here = pathAt(value, selectionStart) ?? pathAt(value, Math.max(0, selectionStart - 1));
    const words = here ? this.options.describe?.(here.path) : null;
    const problem = marksAt(this.layer.marks, line, column)[0]
      ?? this.layer.marks.find((mark) => mark.line === line);
    const path = here?.path.join(" › ") ?? "";
    this.path.classList.toggle("is-wrong", Boolean(problem));
    this.path.textContent = `${line + 1}:${column + 1}  ${
      problem ? `✕ ${problem.message}` : [path, words?.title, words?.text].filter(Boolean)
        .join(" · ")}`;
    this.path.title = this.path.textContent;
  }

  /** @param {PointerEvent} event */
  pointed(event) {
    clearTimeout(this.hoverTimer);
    if (event.buttons || this.popup.isOpen) return;
    const box = this.sheet.getBoundingClientRect();
    const line = Math.floor((event.clientY - box.top - PAD) / LINE);
    const x = event.clientX - box.left - PAD;
    this.hoverTimer = setTimeout(() => {
      const text = this.layer.lines[line];
      if (text === undefined || x > this.layer.ruler.width(text)) this.hover.close();
      else {
        this.hoverAt(offsetOf(this.area.value, line, this.layer.ruler.column(text, x)));
      }
    }, HOVER_MS);
  }

  unpointed() {
    clearTimeout(this.hoverTimer);
    this.hover.close();
  }

  /** @param {number} offset */
  hoverAt(offset) {
    const { line, column } = lineAndColumn(this.area.value, offset);
    /** @type {{title?: string, text?: string, isProblem?: boolean}[]} */
    const parts = marksAt(this.layer.marks, line, column).map(({ message, fix }) => ({
      title: message, text: fix ?? undefined, isProblem: true,
    }));
    const here = pathAt(this.area.value, offset);
    const words = here && this.options.describe?.(here.path);
    if (words) parts.push(words);
    const { x, y } = this.caret(here?.from ?? offset);
    this.hover.show(parts, x, y + LINE + 4, this.element.clientWidth);
  }

  /** Returns the place of an offset in the editor's own pixels. @param {number} offset */
  caret(offset) {
    const { line, column } = lineAndColumn(this.area.value, offset);
    const width = this.layer.ruler.width((this.layer.lines[line] ?? "").slice(0, column));
    const box = this.element.getBoundingClientRect();
    const sheet = this.sheet.getBoundingClientRect();
    return {
      x: sheet.left - box.left + PAD + width,
      y: sheet.top - box.top + PAD + line * LINE,
    };
  }

  /** Scrolls as little as needed to show an offset. @param {number} offset */
  reveal(offset) {
    const { line, column } = lineAndColumn(this.area.value, offset);
    const top = line * LINE;
    const x = this.layer.ruler.width((this.layer.lines[line] ?? "").slice(0, column));
    const { scroll, view } = this;
    if (top < view.top) scroll.scrollTop = view.top = top;
    const low = top + LINE + 2 * PAD - view.height;
    if (low > view.top) scroll.scrollTop = view.top = low;
    if (x < view.left) scroll.scrollLeft = view.left = Math.max(0, x - 20);
    const right = x + view.gutter + 4 * PAD - view.width;
    if (right > view.left) scroll.scrollLeft = view.left = right;
  }

  measured() {
    const { clientWidth: width, clientHeight: height } = this.scroll;
    this.view = { ...this.view, width, height, gutter: this.layer.gutter.offsetWidth };
    this.resized();
  }

  resized() {
    if (!this.view.width) return;
    if (!this.isMeasured) {
      this.layer.ruler.use(this.area);
      this.isMeasured = true;
    }
    const { width, height } = this.layer.size();
    const sized = `${width + 2 * PAD}px ${height + 2 * PAD}px`;
    if (sized !== this.sized) {
      this.sized = sized;
      [this.sheet.style.width, this.sheet.style.height] = sized.split(" ");
    }
    this.draw();
  }

  scrolled() {
    this.view.top = this.scroll.scrollTop;
    this.view.left = this.scroll.scrollLeft;
    this.draw();
    this.hover.close();
    this.popup.close();
  }

  paint() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    this.layer.draw(this.view.top, this.view.height, this.find.hits());
  }
}
