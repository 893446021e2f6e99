/**
 * The bar above a graph: zoom, find, open and fold, focus, and the list's switch.
 *
 * @typedef {{zoom: (factor: number) => void, fit: () => void,
 *   find: (text: string, isNext: boolean) => string, leave: () => void, openAll: () => void,
 *   foldAll: () => void, focus: (depth: number) => void,
 *   list: (isShown: boolean) => void}} ToolActions
 */
import { h } from "./dom.js";
import { count } from "./format.js";

/** @param {ToolActions} actions @param {boolean} hasList */
export function toolbar(actions, hasList) {
  const found = h("span", { class: "graph-found", role: "status" });
  const find = /** @type {HTMLInputElement} */ (h("input", {
    type: "search",
    class: "graph-find",
    placeholder: "Find an op (f)",
    "aria-label": "Find an op in the graph",
    oninput: () => {
      found.textContent = actions.find(find.value, false);
    },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        found.textContent = actions.find(find.value, true);
      } else if (event.key === "Escape") {
        event.stopPropagation();
        find.value = "";
        found.textContent = "";
        actions.leave();
      }
    },
  }));
  const focus = /** @type {HTMLSelectElement} */ (h(
    "select",
    {
      "aria-label": "Show neighbours of the chosen op only",
      onchange: () => actions.focus(Number(focus.value)),
    },
    h("option", { value: "0" }, "whole graph"),
    ...[1, 2, 3, 5].map((n) => h("option", { value: String(n) },
      `${n} step${n > 1 ? "s" : ""} around`)),
  ));
  const open = button("Unfold", "Open all folded graphs", actions.openAll);
  const fold = button("Fold", "Fold all graphs", actions.foldAll);
  const list = button("List", "Show the ops as a list", () => {
    const isShown = list.getAttribute("aria-pressed") !== "true";
    list.setAttribute("aria-pressed", String(isShown));
    actions.list(isShown);
  });
  list.setAttribute("aria-pressed", String(hasList));
  const shown = h("span", { class: "graph-count" });
  const element = h(
    "div",
    { class: "graph-tools", role: "group", "aria-label": "Graph" },
    h("span", { class: "graph-zooms" },
      button("−", "Zoom out (-)", () => actions.zoom(0.8)),
      button("+", "Zoom in (+)", () => actions.zoom(1.25)),
      button("Fit", "Show all (0)", actions.fit)),
    find, found, open, fold, focus, list, shown,
  );
  return {
    element,
    toFind: () => {
      find.focus();
      find.select();
    },
    /** @param {import("./graph_walk.js").Layout} layout */
    show: (layout) => {
      const boxes = layout.nodes.filter((node) => !node.is_open).length;
      const ops = `${count(layout.total_ops)} ${layout.total_ops === 1 ? "op" : "ops"}`;
      shown.textContent = boxes === layout.total_ops ? ops : `${ops} in ${count(boxes)} boxes`;
      open.hidden = !layout.folded.length;
      fold.hidden = !layout.nodes.some((node) => node.is_open);
    },
  };
}

/** @param {string} text @param {string} title @param {() => void} act */
function button(text, title, act) {
  return h("button", { type: "button", class: "graph-tool", title, onclick: act }, text);
}
