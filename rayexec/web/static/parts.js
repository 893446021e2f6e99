/**
 * Parts that pages share: panels, tabs, empty states, errors, skeletons, copied text.
 */

import { ApiError } from "./api.js";
import { h, icon, replace } from "./dom.js";

/** @import { Child, Children, IconName } from "./dom.js" */

/**
 * Return a panel with a heading.
 * @param {Child} heading
 * @param {{ actions?: Children, class?: string, note?: Child }} options
 * @param {...Children} children
 * @returns {HTMLElement}
 */
export function panel(heading, { actions, class: name = "", note } = {}, ...children) {
  return h(
    "section",
    { class: `panel ${name}` },
    h(
      "div",
      { class: "panel-head" },
      h("h2", null, heading),
      note ? h("span", { class: "muted" }, note) : null,
      actions ? h("div", { class: "panel-actions" }, actions) : null,
    ),
    h("div", { class: "panel-body" }, ...children),
  );
}

/**
 * Return what a page shows where there is nothing: a sentence, and what to do.
 * @param {{ title: string, text?: Children, command?: string, icon?: IconName,
 *   actions?: Children, isPage?: boolean }} state `isPage` where it is all that the page shows
 * @returns {HTMLElement}
 */
export function empty({ title, text, command, icon: sign = "inbox", actions, isPage = false }) {
  return h(
    "div",
    { class: "empty" },
    icon(sign),
    h(isPage ? "h1" : "p", { class: "empty-title" }, title),
    text ? h("p", { class: "muted" }, text) : null,
    command ? commandLine(command) : null,
    actions ? h("div", { class: "empty-actions" }, actions) : null,
  );
}

/**
 * Return a command with a button that copies it.
 * @param {string} command
 * @returns {HTMLElement}
 */
export function commandLine(command) {
  return h("div", { class: "command" }, h("code", null, command), copyButton(command));
}

/**
 * Return a button that copies a text.
 * @param {string | (() => string)} text
 * @param {string} [label]
 * @returns {HTMLButtonElement}
 */
export function copyButton(text, label = "Copy") {
  const word = h("span", null, label);
  const button = h("button", { class: "button is-quiet", type: "button" }, icon("copy"), word);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(typeof text === "string" ? text : text());
    word.textContent = "Copied";
    setTimeout(() => (word.textContent = label), 1_500);
  });
  return button;
}

/**
 * Return a view of an error: what is wrong, and a button that tries again.
 * @param {unknown} error
 * @param {() => void} [again]
 * @returns {HTMLElement}
 */
export function errorView(error, again) {
  const message = error instanceof Error ? error.message : String(error);
  const isMissing = error instanceof ApiError && error.status === 404;
  return h(
    "div",
    { class: "empty is-error", role: "alert" },
    icon(isMissing ? "question" : "warning"),
    h("p", { class: "empty-title" }, isMissing ? "Not here" : "This did not work"),
    h("p", null, message),
    again
      ? h("button", { class: "button", type: "button", onclick: again }, icon("retry"), "Try again")
      : null,
  );
}

/**
 * Return grey lines in place of content that is on its way.
 * @param {number} [lines]
 * @returns {HTMLElement}
 */
export function skeleton(lines = 4) {
  return h(
    "div",
    { class: "skeleton", role: "status", "aria-label": "Loading" },
    Array.from({ length: lines }, () => h("span", { class: "skeleton-line" })),
  );
}

/**
 * Return a bar of used and all, with its words.
 * @param {number} used
 * @param {number} all
 * @param {string} label
 * @param {string} [tone]
 * @returns {HTMLElement}
 */
export function gauge(used, all, label, tone = "accent") {
  const share = all > 0 ? Math.min(1, used / all) : 0;
  return h(
    "span",
    { class: `gauge tone-${tone}`, role: "img", "aria-label": label, title: label },
    h("span", { class: "gauge-part", style: { width: `${share * 100}%` } }),
  );
}

/** @typedef {{ id: string, label: string, count?: Child }} Tab */

/**
 * Tabs over one panel, moved by arrows. `show` fills the panel each time a tab is chosen; its
 * signal ends when another one is.
 * @param {string} label
 * @param {Tab[]} tabs
 * @param {{
 *   chosen?: string,
 *   show: (id: string, panel: HTMLElement, signal: AbortSignal) => void,
 *   signal: AbortSignal,
 * }} options
 * @returns {{ element: HTMLElement, choose: (id: string) => void,
 *   setCount: (id: string, count: Child) => void }}
 */
export function tabs(label, tabs, { chosen, show, signal }) {
  const prefix = `tabs-${++made}`;
  const panel = h("div", { class: "tab-panel", role: "tabpanel", tabindex: "-1" });
  panel.id = `${prefix}-panel`;
  /** @type {AbortController | null} */
  let current = null;
  signal.addEventListener("abort", () => current?.abort());
  const buttons = tabs.map(({ id, label: words, count }) =>
    h(
      "button",
      { class: "tab", role: "tab", type: "button", id: `${prefix}-${id}`, "data-tab": id,
        "aria-controls": panel.id, onclick: () => choose(id) },
      h("span", null, words),
      h("span", { class: "tab-count" }, count ?? ""),
    ),
  );
  /** @param {string} id */
  const choose = (id) => {
    current?.abort();
    current = new AbortController();
    for (const button of buttons) {
      const isChosen = button.dataset.tab === id;
      button.setAttribute("aria-selected", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", `${prefix}-${id}`);
    replace(panel);
    show(id, panel, current.signal);
  };
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": label }, buttons);
  list.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(/** @type {any} */ (document.activeElement));
    const last = buttons.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at ? at - 1 : last, Home: 0,
      End: last }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    choose(tabs[to].id);
    buttons[to].focus();
  });
  choose(tabs.some(({ id }) => id === chosen) ? /** @type {string} */ (chosen) : tabs[0].id);
  return {
    element: h("div", { class: "tabbed" }, list, panel),
    choose,
    setCount(id, count) {
      const button = buttons.find((each) => each.dataset.tab === id);
      const box = button?.querySelector(".tab-count");
      if (box) replace(box, count);
    },
  };
}

let made = 0;
