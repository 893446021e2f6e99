/**
 * The run that a launch continues, with what it keeps of it.
 *
 * @import { LaunchBody, ListedRun, RunDetails } from "./types.js"
 */
import { get, post } from "./api.js";
import { stepsOf } from "./launch_text.js";

const QUIET_MS = 200;

export class Resume {
  /**
   * @param {string} job
   * @param {{signal: AbortSignal, found: () => void}} options called with each new answer
   */
  constructor(job, options) {
    this.job = job;
    this.options = options;
    this.id = "";
    /** @type {string[]} clauses over the steps to run again; those without success if none */
    this.steps = [];
    /** @type {ListedRun | null} */
    this.run = null;
    /** @type {string | null} */
    this.problem = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  get isOn() {
    return this.id !== "";
  }

  /**
   * Names the run, by its id or the beginning of it, and its steps to run again.
   * @param {import("./launch_text.js").Draft} draft
   */
  name({ resumeFrom: id, steps }) {
    this.steps = stepsOf(steps);
    if (id.trim() === this.id) return;
    this.id = id.trim();
    this.run = null;
    this.problem = this.isOn ? "The run to resume is being looked for." : null;
    clearTimeout(this.timer);
    if (this.isOn) this.timer = setTimeout(() => void this.find(this.id), QUIET_MS);
  }

  /** @param {string} id */
  async find(id) {
    let problem = null;
    let run = null;
    try {
      const { runs } = await get("api/runs", { job: this.job, text: id, limit: 50 },
        this.options.signal);
      const all = runs.filter((/** @type {ListedRun} */ one) => one.run_id.startsWith(id));
      if (all.length === 1) [run] = all;
      else if (all.length) problem = `More than one run begins with ${id}.`;
      else problem = `No run of ${this.job} begins with ${id}.`;
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    if (id !== this.id || this.options.signal.aborted) return;
    this.run = run;
    this.problem = problem;
    this.options.found();
  }

  /** Returns the config of the run. @returns {Promise<string>} */
  async config() {
    /** @type {RunDetails} */
    const run = await get(`api/runs/${encodeURIComponent(this.run?.run_id ?? this.id)}`, {},
      this.options.signal);
    return run.config_yaml ?? "";
  }

  /**
   * Returns what is asked: a resumed run has the ops and tags of the former one.
   * @param {{body: LaunchBody, problem: string | null}} given
   * @returns {{body: LaunchBody, problem: string | null}}
   */
  applied({ body, problem }) {
    if (!this.isOn) return { body, problem };
    const selection = this.run?.op_selection ?? [];
    return { body: { yaml: body.yaml, selection, tags: {} }, problem: this.against() };
  }

  /** Says why the run cannot be resumed so. @returns {string | null} */
  against() {
    if (!this.run) return this.problem;
    if (!this.run.is_over) return "The run to resume is not over.";
    if (this.run.status !== "SUCCESS" || this.steps.length) return null;
    return "All steps of this run are done: name those to run again.";
  }

  /** Starts the run that continues it. @param {string} yaml @returns {Promise<{run_id: string}>} */
  start(yaml) {
    const from = this.steps.length ? "steps" : "failure";
    return post(`api/runs/${encodeURIComponent(this.run?.run_id ?? this.id)}/resume`,
      { from, steps: this.steps, yaml }, this.options.signal);
  }
}
