/**
 * The jobs of the file or module: their last runs, and the way to launch them.
 */

import { jobs as askJobs, session } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { ago, count, duration, moment } from "./format.js";
import { watch } from "./live.js";
import { commandLine, empty, errorView, skeleton } from "./parts.js";
import { breadcrumb, go, href, link, path, style, title } from "./router.js";
import { chip, look } from "./status.js";

/** @import { JobEntry, Jobs, LastRun, PageContext, Session } from "./types.js" */

const BARS = 10;

/**
 * @param {HTMLElement} root
 * @param {PageContext} context
 */
export async function mount(root, { signal }) {
  title("Jobs");
  breadcrumb([{ label: "Jobs" }]);
  const head = h("div", { class: "page-head" }, h("h1", null, "Jobs"));
  const content = h("div", { class: "jobs-content" }, skeleton(6));
  replace(root, head, content);
  const facts = await session();
  const where = facts.source?.file ?? facts.source?.module;
  if (where) head.append(h("code", { class: "muted" }, where));
  let isFirst = true;
  let version = -1;

  const load = async () => {
    const answer = await askJobs({ isFresh: version >= 0 });
    if (signal.aborted) return;
    if (isFirst && answer.state === "ready" && answer.jobs.length === 1) {
      go(path("jobs", answer.jobs[0].name), { replace: true });
      return;
    }
    // While the file loads, its jobs are still to come.
    if (answer.state !== "loading") isFirst = false;
    version = answer.version;
    replace(content, view(answer, facts));
  };
  const reload = () => load().catch(() => {});
  watch("jobs", {
    onMessage: ({ data }) => version >= 0 && data.version !== version && void reload(),
    poll: load,
  }, signal);
  watch("runs", { onMessage: ({ kind }) => kind === "version" && void reload() }, signal);
  await style("lists.css");
  try {
    await load();
  } catch (error) {
    if (!signal.aborted) replace(content, errorView(error, () => void reload()));
  }
}

/**
 * @param {Jobs} answer
 * @param {Session} facts
 */
function view({ state, jobs, error, is_stale }, facts) {
  if (state === "none" || facts.source === null) return noFile();
  const parts = [];
  if (error) parts.push(failure(error, is_stale && jobs.length > 0));
  if (jobs.length) parts.push(list(jobs, facts.read_only));
  else if (state === "loading") parts.push(skeleton(6));
  else if (!error) parts.push(noJob(facts));
  return h("div", { class: "jobs-content" }, parts);
}

/**
 * @param {{ message: string, traceback: string }} error
 * @param {boolean} isUsable whether jobs of an earlier version are shown below
 */
function failure({ message, traceback }, isUsable) {
  return h(
    "section",
    { class: "panel load-error tone-failed", role: "alert" },
    h("div", { class: "panel-head" }, icon("warning"), h("h2", null, "The file does not load")),
    h(
      "div",
      { class: "panel-body" },
      h("p", { class: "load-message" }, message),
      traceback
        ? h("details", { open: !isUsable }, h("summary", null, "Traceback"),
            h("pre", { class: "traceback", tabindex: "0" }, traceback))
        : null,
      h("p", { class: "muted" }, isUsable
        ? "The jobs below are those of the last version that loaded. Save the file to try again."
        : "Save the file to try again."),
    ),
  );
}

/**
 * @param {JobEntry[]} jobs
 * @param {boolean} isReadOnly
 */
function list(jobs, isReadOnly) {
  return h("ul", { class: "panel jobs" }, jobs.map((job) => entry(job, isReadOnly)));
}

/**
 * @param {JobEntry} job
 * @param {boolean} isReadOnly
 */
function entry(job, isReadOnly) {
  const [last] = job.last_runs;
  return h(
    "li",
    { class: "job" },
    h(
      "div",
      { class: "job-words" },
      h("h2", null, link(path("jobs", job.name), job.name)),
      h("p", { class: "muted" }, job.description ?? ""),
    ),
    h("span", { class: "job-ops muted" }, count(job.ops, "op")),
    h("div", { class: "job-last" }, last
      ? [
          h("a", { href: href(path("runs", last.run_id)), title: moment(last.start_time) },
            chip(last.status)),
          h("span", { class: "muted" }, ago(last.start_time)),
        ]
      : h("span", { class: "muted" }, "never run")),
    runBars(job.last_runs),
    h(
      "div",
      { class: "job-actions" },
      isReadOnly
        ? null
        : h("a", { class: "button", href: href(path("jobs", job.name, "launch")),
            "aria-label": `Launch ${job.name}` }, icon("play"), "Launch"),
    ),
  );
}

/**
 * Return the last runs as bars, the newest last: as high as they took, in the colour of their
 * status; those that failed are hatched.
 * @param {LastRun[]} runs
 */
export function runBars(runs) {
  const shown = runs.slice(0, BARS).reverse();
  const longest = Math.max(...shown.map((run) => run.duration ?? 0), 0.001);
  return h(
    "ol",
    { class: "run-bars", "aria-label": "Last runs, the newest last" },
    shown.map((run) => {
      const its = look(run.status);
      const took = run.duration === null ? "" : `, ${duration(run.duration)}`;
      const words = `${its.word}${took}, ${ago(run.start_time)}`;
      const share = run.duration === null ? 1 : run.duration / longest;
      return h(
        "li",
        null,
        h(
          "a",
          { class: `run-bar tone-${its.tone}`, href: href(path("runs", run.run_id)), title: words,
            "aria-label": words },
          h("span", { style: { height: `${Math.max(12, share * 100)}%` } }),
        ),
      );
    }),
  );
}

function noFile() {
  return empty({
    title: "No job file is open",
    icon: "file",
    text: "Start with a file or module to see its jobs and launch them from here. Runs and the "
      + "cluster are here without one.",
    command: "rayexec dev -f my_job.py",
    actions: [h("a", { class: "button", href: href("/runs") }, "Runs"),
      h("a", { class: "button", href: href("/cluster") }, "Cluster")],
  });
}

/** @param {Session} facts */
function noJob(facts) {
  const where = facts.source?.file?.split("/").at(-1) ?? facts.source?.module ?? "the file";
  return empty({
    title: `No job in ${where}`,
    icon: "file",
    text: ["A job is a function with ", h("code", null, "@job"), " at the top level of the file. ",
      "It appears here when you save the file. A first one, to look at:"],
    actions: commandLine("rayexec example"),
  });
}
