/**
 * Light and dark: as the system has it, or as the user chose.
 */

import { h, icon, replace } from "./dom.js";

/** @import { IconName } from "./dom.js" */

/** @typedef {"system" | "light" | "dark"} Theme */

const KEY = "rayexec-theme";
/** @type {Record<Theme, IconName>} */
const ICONS = { system: "screen", light: "sun", dark: "moon" };
/** @type {Theme[]} */
const ORDER = ["system", "light", "dark"];
const dark = matchMedia("(prefers-color-scheme: dark)");
const changes = new EventTarget();

/** Return what the user chose. */
export function chosen() {
  const stored = read();
  return ORDER.find((theme) => theme === stored) ?? "system";
}

/** Return true while the page is dark. */
export function isDark() {
  const theme = chosen();
  return theme === "dark" || (theme === "system" && dark.matches);
}

/**
 * Call a function after each change of colours: canvases paint again.
 * @param {() => void} listener
 * @param {AbortSignal} signal
 */
export function onThemeChange(listener, signal) {
  changes.addEventListener("change", listener, { signal });
}

/**
 * Return the value of a colour of base.css at this moment.
 * @param {string} name such as "ok"
 * @returns {string}
 */
export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Return the button that changes the theme. */
export function themeButton() {
  const button = h("button", { class: "button is-quiet is-icon", type: "button" });
  const show = () => {
    const theme = chosen();
    const words = `Theme: ${theme}`;
    button.setAttribute("aria-label", words);
    button.title = words;
    replace(button, icon(ICONS[theme]));
  };
  button.addEventListener("click", () => {
    choose(ORDER[(ORDER.indexOf(chosen()) + 1) % ORDER.length]);
    show();
  });
  show();
  return button;
}

/** @param {Theme} theme */
export function choose(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Without storage the choice counts for this page only.
  }
  apply(theme);
  changes.dispatchEvent(new Event("change"));
}

/** @param {Theme} theme */
function apply(theme) {
  if (theme === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = theme;
}

function read() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return document.documentElement.dataset.theme ?? null;
  }
}

apply(chosen());
dark.addEventListener("change", () => changes.dispatchEvent(new Event("change")));
