/**
 * Toasts: short messages that screen readers read out, and that go by themselves.
 */

import { h, icon } from "./dom.js";

/** @typedef {"info" | "ok" | "failed"} Kind */

const SHOWN_MS = 6_000;
const FAILED_SHOWN_MS = 15_000;

/**
 * Show a message.
 * @param {string} text
 * @param {{ kind?: Kind, link?: HTMLAnchorElement }} [options]
 */
export function toast(text, { kind = "info", link } = {}) {
  const region = document.getElementById("toasts");
  if (!region) return;
  const close = h(
    "button",
    { class: "button is-quiet is-icon", type: "button", "aria-label": "Close message" },
    icon("cross"),
  );
  const sign = kind === "ok" ? "check" : kind === "failed" ? "warning" : null;
  const box = h(
    "div",
    { class: `toast toast-${kind}` },
    sign && icon(sign),
    h("span", { class: "toast-text" }, text),
    link ?? null,
    close,
  );
  const end = () => box.remove();
  close.addEventListener("click", end);
  let timer = setTimeout(end, kind === "failed" ? FAILED_SHOWN_MS : SHOWN_MS);
  // A message that somebody reads or is about to click stays.
  box.addEventListener("pointerenter", () => clearTimeout(timer));
  box.addEventListener("pointerleave", () => (timer = setTimeout(end, SHOWN_MS)));
  region.append(box);
}

/**
 * Show the message of an error; nothing for a request that the page itself ended.
 * @param {unknown} error
 */
export function toastError(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  toast(error instanceof Error ? error.message : String(error), { kind: "failed" });
}
