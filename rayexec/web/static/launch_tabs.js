/**
 * The strip of drafts above the editor, kept in the browser's storage by job.
 *
 * @import { Draft, Drafts } from "./launch_text.js"
 */
import { h, icon, replace } from "./dom.js";
import { added, readDrafts, removed } from "./launch_text.js";

const SAVE_MS = 300;

export class LaunchTabs {
  /**
   * @param {string} job
   * @param {{show: (draft: Draft) => void, signal: AbortSignal, panel: string}} options
   */
  constructor(job, options) {
    this.key = `rayexec-launchpad:${job}`;
    this.options = options;
    /** @type {Drafts} */
    this.all = readDrafts(stored(this.key));
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.list = h("div", { class: "tabs launch-tabs", role: "tablist",
      "aria-label": "Drafts of the config" });
    this.list.addEventListener("keydown", (event) => this.keyed(event));
    this.element = h(
      "div",
      { class: "launch-strip" },
      this.list,
      h("button", { class: "button is-quiet is-icon", type: "button", title: "New draft",
        "aria-label": "New draft", onclick: () => this.add({}) }, "+"),
    );
    // What is not stored yet is stored when the page goes.
    options.signal.addEventListener("abort", () => this.save());
    addEventListener("pagehide", () => this.save(), { signal: options.signal });
  }

  /** @returns {Draft} */
  get draft() {
    const { drafts, chosen } = this.all;
    return drafts.find(({ id }) => id === chosen) ?? drafts[0];
  }

  /** @param {Partial<Draft>} fields */
  change(fields) {
    Object.assign(this.draft, fields);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVE_MS);
  }

  save() {
    clearTimeout(this.timer);
    try {
      localStorage.setItem(this.key, JSON.stringify(this.all));
    } catch {
      // Without storage, or a full one, drafts last as long as the page.
    }
  }

  /** @param {Partial<Draft>} given */
  add(given) {
    this.all = added(this.all, given);
    this.changed();
  }

  /** @param {number} id */
  choose(id) {
    if (id === this.all.chosen) return;
    this.all = { ...this.all, chosen: id };
    this.changed();
  }

  /** @param {number} id */
  remove(id) {
    this.all = removed(this.all, id);
    this.changed();
  }

  changed() {
    this.save();
    this.draw();
    this.options.show(this.draft);
  }

  draw() {
    replace(this.list, ...this.all.drafts.map(({ id, name }) => {
      const isChosen = id === this.all.chosen;
      const tab = h(
        "button",
        {
          class: "tab", role: "tab", type: "button", "aria-selected": String(isChosen),
          "aria-controls": this.options.panel, "data-draft": id, tabindex: isChosen ? "0" : "-1",
          title: "Delete closes this draft, F2 renames it",
          onclick: () => this.choose(id),
          ondblclick: () => this.rename(id),
        },
        name,
      );
      const close = h(
        "span",
        { class: "launch-close", title: `Close ${name}`, "aria-hidden": "true",
          onclick: (/** @type {Event} */ event) => {
            event.stopPropagation();
            this.remove(id);
          } },
        icon("cross"),
      );
      tab.append(close);
      return tab;
    }));
  }

  /** @param {number} id */
  rename(id) {
    const tab = this.list.querySelector(`[data-draft="${id}"]`);
    const draft = this.all.drafts.find((one) => one.id === id);
    if (!tab || !draft) return;
    const field = h("input", { class: "input launch-rename", "aria-label": "Name of the draft",
      value: draft.name });
    let isOver = false;
    /** @param {boolean} isKept */
    const end = (isKept) => {
      if (isOver) return;
      isOver = true;
      if (isKept && field.value.trim()) draft.name = field.value.trim().slice(0, 60);
      this.save();
      this.draw();
    };
    field.addEventListener("blur", () => end(true));
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" || event.key === "Escape") {
        end(event.key === "Enter");
        this.focus();
      }
    });
    tab.replaceWith(field);
    field.focus();
    field.select();
  }

  focus() {
    const chosen = this.list.querySelector('[aria-selected="true"]');
    if (chosen instanceof HTMLElement) chosen.focus();
  }

  /** @param {KeyboardEvent} event */
  keyed(event) {
    const { drafts, chosen } = this.all;
    const at = drafts.findIndex(({ id }) => id === chosen);
    const last = drafts.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at ? at - 1 : last, Home: 0,
      End: last }[event.key];
    if (to !== undefined) this.choose(drafts[to].id);
    else if (event.key === "Delete") this.remove(chosen);
    else if (event.key === "F2") {
      this.rename(chosen);
      event.preventDefault();
      return;
    } else return;
    event.preventDefault();
    this.focus();
  }
}

/** @param {string} key */
function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
