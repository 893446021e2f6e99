/**
 * What can be done with a run: cancel, force, resume, run again, delete, download.
 */

import { get, post, remove, url } from "./api.js";
import { confirm } from "./dialog.js";
import { h, icon } from "./dom.js";
import { toast, toastError } from "./notify.js";
import { go, href, path } from "./router.js";

/** @import { Actions, RunDetails } from "./types.js" */
/** @import { IconName } from "./dom.js" */

let made = 0;

/**
 * Return a button; where it cannot be used, it says why: as a title, to screen readers, on a click.
 * @param {string} label
 * @param {{ reason?: string | null, run: () => Promise<void> | void, icon?: IconName,
 *   class?: string }} options
 */
export function action(label, { reason = null, run, icon: sign, class: name = "" }) {
  const button = h("button", { class: `button ${name}`, type: "button", title: reason,
    "aria-disabled": reason ? "true" : null }, sign && icon(sign), label);
  const why = reason ? h("span", { class: "hidden", id: `why-${++made}` }, reason) : null;
  if (why) button.setAttribute("aria-describedby", why.id);
  let isBusy = false;
  button.addEventListener("click", async () => {
    if (reason) {
      toast(reason);
      return;
    }
    if (isBusy) return;
    isBusy = true;
    button.setAttribute("aria-busy", "true");
    try {
      await run();
    } catch (error) {
      toastError(error);
    } finally {
      isBusy = false;
      button.removeAttribute("aria-busy");
    }
  });
  return h("span", { class: "action" }, button, why);
}

/**
 * Return the actions of a run, for its head.
 * @param {RunDetails} details
 * @param {{ isForced: boolean, canceled: () => void }} state
 * @returns {Node[]}
 */
export function runActions(details, { isForced, canceled }) {
  const { report, actions, is_over: isOver } = details;
  const id = report.run_id;
  /** @type {Node[]} */
  const nodes = [];
  if (!isOver) {
    nodes.push(isForced
      ? action("Force", { reason: actions.force, icon: "stop", class: "is-danger", run: force })
      : action("Cancel", { reason: actions.cancel, icon: "ban", class: "is-danger", run: cancel }));
  } else {
    nodes.push(action("Resume from failure", {
      reason: actions.resume, icon: "play",
      class: actions.resume ? "" : "is-primary",
      run: async () => resume(id, { from: "failure" }),
    }));
  }
  nodes.push(again(report.job, id, actions));
  nodes.push(menu(id, actions, isOver));
  return nodes;

  async function cancel() {
    await post(`api/runs/${id}/cancel`, { force: false });
    toast("The run is asked to cancel: its steps end first. Force ends them at once.");
    canceled();
  }

  async function force() {
    const yes = await confirm({
      title: "End the steps at once?",
      text: "Their processes are killed. What they had done and not yet handed on is lost.",
      action: "Force", isDanger: true,
    });
    if (!yes) return;
    await post(`api/runs/${id}/cancel`, { force: true });
    toast("The run ends its steps by force.");
  }
}

/**
 * Start a run that continues this one, and open it.
 * @param {string} id
 * @param {{ from: "failure" | "steps", steps?: string[] }} body
 */
export async function resume(id, body) {
  const answer = await post(`api/runs/${id}/resume`, body);
  toast("A run that continues this one has started.", { kind: "ok" });
  go(path("runs", answer.run_id));
}

/**
 * @param {string} job
 * @param {string} id
 * @param {Actions} actions
 */
function again(job, id, actions) {
  if (actions.rerun) return action("Run again", { reason: actions.rerun, run: () => {} });
  return h("a", { class: "button", href: href(path("jobs", job, "launch"), { from: id }) },
    icon("retry"), "Run again…");
}

/**
 * @param {string} id
 * @param {Actions} actions
 * @param {boolean} isOver
 */
function menu(id, actions, isOver) {
  const download = (/** @type {string} */ kind, /** @type {string} */ label) =>
    h("a", { class: "menu-entry", href: url(`api/runs/${id}/download/${kind}`), download: true },
      icon("download"), label);
  const soFar = !isOver && h("p", { class: "muted" }, "The files have what is recorded now.");
  const box = h("details", { class: "menu" },
    h("summary", { class: "button is-icon", "aria-label": "More actions" }, icon("more")),
    h("div", { class: "menu-box" },
      download("html", "Report as one HTML file"),
      download("parquet", "Attempts as Parquet"),
      download("trace", "Trace for Perfetto"),
      soFar,
      h("button", { class: "menu-entry", type: "button", onclick: async () => {
        box.open = false;
        await navigator.clipboard.writeText(id);
        toast("The run's id is copied.");
      } }, icon("copy"), "Copy the run's id"),
      action("Delete the run", {
        reason: actions.delete, icon: "trash", class: "menu-entry is-danger",
        run: async () => {
          box.open = false;
          await erase(id);
        },
      }),
      actions.delete && h("p", { class: "muted" }, actions.delete)));
  document.addEventListener("click", (event) => {
    if (!box.contains(/** @type {Node} */ (event.target))) box.open = false;
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    box.open = false;
    event.stopPropagation();
    /** @type {HTMLElement} */ (box.firstElementChild)?.focus();
  });
  return box;
}

/** @param {string} id */
async function erase(id) {
  const yes = await confirm({
    title: "Delete this run?",
    text: "Its record, its events and its stored outputs go. This cannot be undone.",
    action: "Delete", isDanger: true,
  });
  if (!yes) return;
  await remove(`api/runs/${id}`);
  toast("The run is deleted.", { kind: "ok" });
  go("/runs");
}

/**
 * Return the details of a run.
 * @param {string} id
 * @param {AbortSignal} [signal]
 * @returns {Promise<RunDetails>}
 */
export function details(id, signal) {
  return get(`api/runs/${id}`, {}, signal);
}
