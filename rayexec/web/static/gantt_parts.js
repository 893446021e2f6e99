/**
 * Elements of a timeline: its toolbar, canvases, and what is said about it.
 */

import { h, icon, replace } from "./dom.js";
import { count } from "./format.js";

const MODES = ["worker", "op"];
const LABEL =
  "Timeline of attempts. Plus, minus and 0 zoom, arrows move, n and p go to failures, Enter opens "
  + "the step. The tab Steps has the same facts as a table.";

/**
 * Return the elements of a timeline.
 * @param {{
 *   by: string,
 *   setMode: (mode: string) => void,
 *   zoom: (factor: number) => void,
 *   fit: () => void,
 *   fold: (hasFolds: boolean) => void,
 * }} options
 */
export function timelineParts({ by, setMode, zoom, fit, fold }) {
  const modes = MODES.map((mode) =>
    h("button", { class: "button", type: "button", "aria-pressed": String(mode === by),
      "data-mode": mode, onclick: () => setMode(mode) }, `By ${mode}`));
  const foldBox = h("input", { type: "checkbox", checked: true,
    onchange: () => fold(foldBox.checked) });
  const foldLabel = h("label", { class: "check", hidden: true }, foldBox, "Fold gaps");
  const failures = h("span", { class: "timeline-failures" });
  const map = h("canvas", { class: "timeline-map", "aria-hidden": "true" });
  const canvas = h("canvas", { class: "timeline-canvas", "aria-hidden": "true" });
  const space = h("div", { class: "timeline-space" }, canvas);
  const frame = h("div", { class: "timeline-frame", tabindex: "0", role: "application",
    "aria-label": LABEL }, space);
  const tip = h("div", { class: "timeline-tip", hidden: true });
  const said = h("p", { class: "hidden", "aria-live": "polite" });
  const legend = h("ul", { class: "timeline-legend", "aria-label": "Colours" });
  const element = h("div", { class: "timeline" },
    h("div", { class: "timeline-bar" },
      h("div", { class: "segmented", role: "group", "aria-label": "Lanes" }, modes),
      h("div", { class: "timeline-zoom" },
        button("Zoom out (-)", "−", () => zoom(1.6)),
        button("Zoom in (+)", "+", () => zoom(1 / 1.6)),
        button("Whole run (0)", "Fit", fit)),
      foldLabel, failures),
    map, frame, tip, legend, said);
  return { element, modes, foldLabel, failures, map, canvas, space, frame, tip, said, legend };
}

/**
 * Return the words about failures, with buttons to go from one to the next.
 * @param {number} chosen index of the failure that is shown, or -1
 * @param {number} many
 * @param {(direction: 1 | -1) => void} go
 * @returns {import("./dom.js").Child[]}
 */
export function failureParts(chosen, many, go) {
  if (!many) return [];
  const words = chosen < 0 ? count(many, "failed attempt")
    : `failure ${count(chosen + 1)} of ${count(many)}`;
  return [
    button("Previous failure (p)", "‹", () => go(-1)),
    h("span", { class: "tone-failed" }, icon("cross"), words),
    button("Next failure (n)", "›", () => go(1)),
  ];
}

/**
 * Show facts beside a place of the canvas.
 * @param {{element: HTMLElement, frame: HTMLElement, tip: HTMLElement}} parts
 * @param {number} x
 * @param {number} y
 * @param {import("./dom.js").Child[]} children
 */
export function tell({ element, frame, tip }, x, y, children) {
  replace(tip, children);
  tip.hidden = false;
  const left = Math.min(x + 14, element.clientWidth - tip.offsetWidth - 4);
  let top = frame.offsetTop + y + 16;
  if (top + tip.offsetHeight > element.clientHeight) top -= tip.offsetHeight + 28;
  tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, top)}px)`;
}

/**
 * @param {string} label
 * @param {string} text
 * @param {() => void} onclick
 */
function button(label, text, onclick) {
  return h("button", { class: "button is-quiet", type: "button", "aria-label": label,
    title: label, onclick }, text);
}
