/**
 * Modal dialogs. The browser holds the focus inside, and Esc closes.
 */

import { h, icon } from "./dom.js";

/** @import { Children } from "./dom.js" */

/**
 * Open a dialog with a title and content; resolves with its `returnValue` when it closes.
 * @param {string} title
 * @param {Children} content
 * @param {{ class?: string, actions?: Children }} [options]
 * @returns {{ dialog: HTMLDialogElement, closed: Promise<string> }}
 */
export function open(title, content, { class: name = "", actions } = {}) {
  const close = h(
    "button",
    { class: "button is-quiet is-icon", type: "button", "aria-label": "Close" },
    icon("cross"),
  );
  const heading = h("h2", { id: `dialog-${++opened}` }, title);
  const dialog = h(
    "dialog",
    { class: `dialog ${name}`, "aria-labelledby": heading.id },
    h("div", { class: "dialog-head" }, heading, close),
    h("div", { class: "dialog-body" }, content),
    actions ? h("div", { class: "dialog-actions" }, actions) : null,
  );
  close.addEventListener("click", () => dialog.close(""));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close(""));
  document.body.append(dialog);
  const closed = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
  dialog.showModal();
  return { dialog, closed };
}

let opened = 0;

/**
 * Ask for a decision; true for yes.
 * @param {{ title: string, text: Children, action: string, isDanger?: boolean }} question
 * @returns {Promise<boolean>}
 */
export async function confirm({ title, text, action, isDanger = false }) {
  const no = h("button", { class: "button", type: "button" }, "Keep it as it is");
  const yes = h(
    "button",
    { class: `button ${isDanger ? "is-danger" : "is-primary"}`, type: "button" },
    action,
  );
  const { dialog, closed } = open(title, h("div", null, text), {
    class: "dialog-question",
    actions: [no, yes],
  });
  no.addEventListener("click", () => dialog.close(""));
  yes.addEventListener("click", () => dialog.close("yes"));
  (isDanger ? no : yes).focus();
  return (await closed) === "yes";
}
