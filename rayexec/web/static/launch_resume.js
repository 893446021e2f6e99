/**
 * The run that a launch continues, with what it keeps of it.
 *
 * @import { LaunchBody, ListedRun, RunDetails } from "./types.js"
 */
import { get } from "./api.js";

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

  /** Names the run, by its id or the beginning of it. @param {string} id */
  name(id) {
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
    return { body: { yaml: body.yaml, selection, tags: {} }, problem: this.problem };
  }
}
