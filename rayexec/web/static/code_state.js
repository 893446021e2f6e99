/**
 * The state of the user's code above a page: loading, or its error with the traceback, while the
 * last good jobs stay in use.
 *
 * @import { Jobs } from "./types.js"
 */
import { jobs as ask } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { watch } from "./live.js";
import { copyButton } from "./parts.js";

const POLL_MS = 700;

/**
 * Returns an element that follows the state of the code, and calls `onVersion` when other jobs are
 * there than before.
 * @param {{onVersion?: (jobs: Jobs) => void, onState?: (jobs: Jobs) => void,
 *   signal: AbortSignal}} options
 * @returns {HTMLElement}
 */
export function codeState({ onVersion, onState, signal }) {
  const box = h("div", { class: "code-state", role: "status" });
  /** @type {number | null} */
  let version = null;
  let isGood = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const look = async () => {
    clearTimeout(timer);
    /** @type {Jobs} */
    let jobs;
    try {
      jobs = await ask({ isFresh: version !== null });
    } catch {
      return;
    }
    if (signal.aborted) return;
    show(box, jobs);
    onState?.(jobs);
    const isNowGood = jobs.state === "ready";
    if (version !== null && (jobs.version !== version || isNowGood !== isGood)) onVersion?.(jobs);
    version = jobs.version;
    isGood = isNowGood;
    if (jobs.state === "loading") timer = setTimeout(look, POLL_MS);
  };
  watch("jobs", { onMessage: () => void look() }, signal);
  signal.addEventListener("abort", () => clearTimeout(timer));
  void look();
  return box;
}

/** @param {HTMLElement} box @param {Jobs} jobs */
function show(box, jobs) {
  const { state, error, is_stale: isStale } = jobs;
  if (state === "loading") {
    replace(box, h("div", { class: "code-note" }, icon("clock"), "Loading the code…"));
  } else if (error) {
    const what = isStale
      ? "The code has an error. The jobs below are from before it; save the file to try again."
      : "The code has an error. Save the file to try again.";
    replace(
      box,
      h(
        "details",
        { class: "code-error", open: true },
        h("summary", null,
          icon("warning"), h("strong", null, error.message), h("span", null, what)),
        error.traceback && h("div", { class: "code-trace" },
          h("pre", { tabindex: "0", "aria-label": "Traceback" }, error.traceback),
          copyButton(error.traceback)),
      ),
    );
  } else replace(box);
}
