/**
 * The graph beside the plan, with the selected ops highlighted.
 */
import { get } from "./api.js";
import { h } from "./dom.js";
import { graphView } from "./graph.js";

export class GraphPreview {
  /**
   * @param {string} api @param {AbortSignal} signal
   * @param {(selection: string) => void} select
   */
  constructor(api, signal, select) {
    this.api = api;
    this.signal = signal;
    /** @type {import("./graph.js").GraphView | null} */
    this.view = null;
    /** @type {string[] | null} */
    this.lit = null;
    /** @type {string | null} */
    this.chosen = null;
    this.stage = h("div", { class: "launch-graph-stage" });
    this.only = this.button("Only this", (id) => id);
    this.above = this.button("With all before", (id) => `*${id}`);
    this.below = this.button("With all after", (id) => `${id}*`);
    this.all = h("button", { class: "button is-small", type: "button", onclick: () => select("") },
      "All ops");
    this.select = select;
    this.element = h(
      "section",
      { class: "panel launch-graph", "aria-label": "Graph of the job" },
      h("div", { class: "panel-head" }, h("h2", null, "Graph"),
        h("div", { class: "panel-actions" }, this.only, this.above, this.below, this.all)),
      this.stage,
    );
    this.mark(null);
  }

  /** @param {string} words @param {(id: string) => string} text */
  button(words, text) {
    return h("button", { class: "button is-small", type: "button",
      onclick: () => this.chosen && this.select(text(this.chosen)) }, words);
  }

  load() {
    if (this.view) {
      void this.view.refresh();
      return;
    }
    this.view = graphView(this.stage, {
      signal: this.signal,
      fetchLayout: (asked) => get(`${this.api}/graph`, { ...asked }, this.signal),
      onChoose: (id) => this.mark(id),
    });
    this.view.highlight(this.lit);
  }

  /** @param {string | null} id */
  mark(id) {
    this.chosen = id?.split("*")[0] ?? null;
    for (const button of [this.only, this.above, this.below]) button.disabled = !this.chosen;
  }

  /** @param {string[] | null} ops */
  highlight(ops) {
    const isSame = ops === this.lit || ops?.join() === this.lit?.join();
    this.lit = ops;
    if (!isSame) this.view?.highlight(ops);
  }
}
