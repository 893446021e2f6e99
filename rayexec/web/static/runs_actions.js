/**
 * What can be done with chosen runs: compare, cancel, resume, export, delete.
 */

import { post, remove, url } from "./api.js";
import { h, icon } from "./dom.js";
import { count } from "./format.js";
import { go, href, path } from "./router.js";

/** @import { IconName } from "./dom.js" */
/** @import { ListedRun } from "./types.js" */

/**
 * @typedef {{
 *   name: string,
 *   label: string,
 *   icon: IconName,
 *   whyNot: string | null,
 *   act: () => unknown,
 *   isDanger?: boolean,
 * }} Action
 */

/**
 * Return the bar of actions for chosen runs.
 * @param {ListedRun[]} runs
 * @param {boolean} isReadOnly
 * @param {{ clear: () => void, done: (gone: string[]) => void }} after
 * @returns {HTMLElement[]}
 */
export function selectionBar(runs, isReadOnly, { clear, done }) {
  const shown = isReadOnly
    ? actions(runs, done).filter(({ name }) => name === "compare")
    : actions(runs, done);
  return [
    h("span", { class: "selection-count" }, `${count(runs.length)} chosen`),
    ...shown.map(({ name, label, icon: sign, whyNot, act, isDanger }) =>
      h(
        "button",
        {
          class: `button is-small ${isDanger ? "is-danger" : ""}`,
          type: "button",
          "data-action": name,
          disabled: whyNot !== null,
          title: whyNot,
          onclick: () => void attempt(act),
        },
        icon(sign),
        label,
      ),
    ),
    ...exports(runs),
    h("button", { class: "button is-small is-quiet", type: "button", onclick: clear },
      "Choose none"),
  ];
}

/**
 * Return the actions for chosen runs, each with the reason why it cannot be done now.
 * @param {ListedRun[]} runs
 * @param {(gone: string[]) => void} done called with the ids of deleted runs
 * @returns {Action[]}
 */
export function actions(runs, done) {
  const live = runs.filter((run) => !run.is_over);
  const [first] = runs;
  const isOne = runs.length === 1;
  return [
    {
      name: "compare",
      label: "Compare",
      icon: "reuse",
      whyNot: runs.length === 2 ? null : "Choose two runs to compare them.",
      act: () => go(`/runs/compare?a=${runs[1].run_id}&b=${runs[0].run_id}`),
    },
    {
      name: "cancel",
      label: "Cancel",
      icon: "stop",
      whyNot: live.length ? null : "None of these runs is running.",
      act: () => cancel(live, false).then(() => done([])),
    },
    {
      name: "force",
      label: "Force",
      icon: "ban",
      whyNot: live.length ? null : "None of these runs is running.",
      act: () => force(live).then(() => done([])),
      isDanger: true,
    },
    {
      name: "resume",
      label: "Resume",
      icon: "retry",
      whyNot: !isOne
        ? "Choose one run to resume it."
        : !first.is_over
          ? "The run is still running."
          : first.status === "SUCCESS" || first.status === "UNREADABLE"
            ? "Only a failed or canceled run can be resumed."
            : null,
      act: () => resume(first),
    },
    {
      name: "delete",
      label: "Delete…",
      icon: "trash",
      whyNot: live.length ? "Cancel running runs first." : null,
      act: () => deleteRuns(runs).then(done),
      isDanger: true,
    },
  ];
}

/** @param {ListedRun[]} runs */
function exports(runs) {
  if (runs.length !== 1 || runs[0].status === "UNREADABLE") return [];
  const kinds = { html: "Page", parquet: "Parquet", trace: "Trace" };
  return Object.entries(kinds).map(([kind, word]) =>
    h("a", { class: "button is-small", download: true, title: `Export as ${kind}`,
      href: url(`api${path("runs", runs[0].run_id, "download", kind)}`) }, icon("download"), word),
  );
}

/** @param {() => unknown} act */
async function attempt(act) {
  try {
    await act();
  } catch (error) {
    const { toastError } = await import("./notify.js");
    toastError(error);
  }
}

/**
 * @param {ListedRun[]} runs
 * @param {boolean} isForced
 */
async function cancel(runs, isForced) {
  const { toast } = await import("./notify.js");
  for (const run of runs) {
    await post(`api${path("runs", run.run_id, "cancel")}`, { force: isForced });
  }
  toast(`Asked ${count(runs.length, "run")} to end.`, { kind: "ok" });
}

/** @param {ListedRun[]} runs */
async function force(runs) {
  const { confirm } = await import("./dialog.js");
  const isSure = await confirm({
    title: `End ${count(runs.length, "run")} by force?`,
    text: h("p", null, "Running steps end in the middle of what they do; nothing cleans up."),
    action: "End by force",
    isDanger: true,
  });
  if (isSure) await cancel(runs, true);
}

/** @param {ListedRun} run */
async function resume(run) {
  /** @type {{ run_id: string }} */
  const { run_id } = await post(`api${path("runs", run.run_id, "resume")}`, { from: "failure" });
  go(path("runs", run_id));
}

/**
 * @param {ListedRun[]} runs
 * @returns {Promise<string[]>} the ids of runs that are gone
 */
async function deleteRuns(runs) {
  const [{ confirm }, { toast }] = await Promise.all([
    import("./dialog.js"),
    import("./notify.js"),
  ]);
  const isSure = await confirm({
    title: `Delete ${count(runs.length, "run")}?`,
    text: [
      h("p", null, "Their records, logs and stored outputs go. This cannot be undone."),
      h("ul", { class: "dialog-list" }, runs.slice(0, 8).map((run) =>
        h("li", null, h("a", { class: "mono", href: href(path("runs", run.run_id)) },
          run.run_id.slice(0, 8)), ` ${run.job}`))),
      runs.length > 8 ? h("p", { class: "muted" }, `and ${count(runs.length - 8)} more`) : null,
    ],
    action: "Delete",
    isDanger: true,
  });
  if (!isSure) return [];
  for (const run of runs) await remove(`api${path("runs", run.run_id)}`);
  toast(`Deleted ${count(runs.length, "run")}.`, { kind: "ok" });
  return runs.map((run) => run.run_id);
}
