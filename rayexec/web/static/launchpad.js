/**
 * The Launchpad: run config with completion and checks, what to run and where, the plan while one
 * types, and the launch.
 *
 * @import { Draft } from "./launch_text.js"
 * @import { Check, Jobs, PageContext, Problem } from "./types.js"
 */
import { get, post } from "./api.js";
import { codeState } from "./code_state.js";
import { h, replace } from "./dom.js";
import { Editor } from "./editor.js";
import { inUnits } from "./editor_marks.js";
import { count } from "./format.js";
import { bind } from "./keys.js";
import { copyText, earlier, openFile } from "./launch_actions.js";
import { LaunchFields } from "./launch_fields.js";
import { LaunchProblems } from "./launch_problems.js";
import { LaunchTabs } from "./launch_tabs.js";
import { bodyOf } from "./launch_text.js";
import { GraphPreview } from "./launch_graph.js";
import { Resume } from "./launch_resume.js";
import { toast, toastError } from "./notify.js";
import { errorView } from "./parts.js";
import { PlanPanel } from "./plan_panel.js";
import { breadcrumb, go, path, setQuery, style, title } from "./router.js";
import { completer, describer, inYaml } from "./run_config_words.js";
import { lineOf } from "./yaml_place.js";

const QUIET_MS = 150;
// What an empty editor says.
const NEEDS_NONE = "This run needs no config. Launch it as it is, or press Ctrl+Space to see what "
  + "can be set.";
const NEEDS_SOME = "Press Scaffold missing to begin with what this run needs, or Ctrl+Space to "
  + "choose keys.";

/** @param {HTMLElement} root @param {PageContext} context */
export async function mount(root, { params, query, signal }) {
  const { job } = params;
  title(`Launch ${job}`);
  breadcrumb([
    { label: "Jobs", path: "/" }, { label: job, path: path("jobs", job) }, { label: "Launchpad" },
  ]);
  await Promise.all(["editor.css", "graph.css", "job.css", "launchpad.css"].map(style));
  if (signal.aborted) return;
  const page = new Launchpad(job, signal);
  replace(root, page.state, page.element);
  page.begin();
  if (query.from) {
    await page.takeRun(query.from);
    setQuery({});
  }
}

class Launchpad {
  /** @param {string} job @param {AbortSignal} signal */
  constructor(job, signal) {
    this.job = job;
    this.signal = signal;
    this.api = `api/jobs/${encodeURIComponent(job)}`;
    /** @type {any} */
    this.words = null;
    this.turn = 0;
    this.total = 0;
    /** @type {string | null} */
    this.fieldProblem = null;
    /** @type {AbortController | null} */
    this.asking = null;
    /** @type {Check | null} */
    this.checked = null;
    this.why = "The config is being checked.";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.state = codeState({ onVersion: () => void this.codeChanged(), signal,
      onState: (jobs) => this.codeIs(jobs) });
    this.editor = new Editor({
      label: "Run config in YAML. Ctrl+Space completes, Esc then Tab leaves the editor.",
      signal,
      onChange: (yaml) => this.changed({ yaml }),
      complete: (place) => completer(this.words)(place),
      describe: (at) => describer(this.words)(at),
    });
    this.fields = new LaunchFields({ onChange: (fields) => this.changed(fields) });
    this.problems = new LaunchProblems({
      goTo: (problem) => this.goTo(problem),
      mend: (problem) => this.editor.mend({ ...problem, fix: inYaml(problem.fix) }),
    });
    this.resume = new Resume(job, { signal, found: () => void this.resumes() });
    this.plan = new PlanPanel();
    this.graph = new GraphPreview(this.api, signal, (text) => {
      if (this.resume.isOn) return;
      this.fields.selection.set(text);
      this.changed({ selection: text });
    });
    this.tabs = new LaunchTabs(job, {
      show: (draft) => this.show(draft), signal, panel: "launch-editor",
    });
    this.launch = h("button", { class: "button is-primary", type: "button",
      "aria-describedby": "launch-why", onclick: () => void this.start() },
    "Launch", h("kbd", null, "Ctrl ↵"));
    this.reason = h("span", { class: "launch-why", id: "launch-why", role: "status" });
    this.element = this.layout();
    bind("Mod+Enter", "Launch the run", () => void this.start(), signal);
  }

  layout() {
    /** @param {string} words @param {string} hint @param {() => void} act */
    const tool = (words, hint, act) => h(
      "button", { class: "button is-small", type: "button", title: hint, onclick: act }, words);
    /** @param {string} action */
    const edit = (action) => () => void this.edit(action);
    /** @param {"cli" | "python"} form */
    const copy = (form) => () => void this.copy(form);
    return h(
      "div",
      { class: "launchpad" },
      h("div", { class: "page-head launch-head" },
        h("h1", null, this.job),
        h("div", { class: "page-actions" }, this.reason, this.launch)),
      h(
        "div",
        { class: "launch-main" },
        h(
          "div",
          { class: "launch-left" },
          h("div", { class: "launch-top" }, this.tabs.element,
            h("div", { class: "launch-copies", role: "group", "aria-label": "Copy the run" },
              tool("Copy as Python", "Copy code that runs the same", copy("python")),
              tool("Copy as CLI", "Copy a command that runs the same", copy("cli")))),
          h("div", { class: "launch-tools", role: "group", "aria-label": "Config" },
            tool("Scaffold missing", "Add what the run needs and lacks", edit("scaffold_missing")),
            tool("Scaffold all", "Add all that can be given", edit("scaffold_all")),
            tool("Remove unused", "Remove what has no effect", edit("remove_unused")),
            tool("Defaults", "The job's own run config", edit("defaults")),
            tool("Open file", "Read a YAML file of this computer", () => this.openFile())),
          h("div", { class: "launch-editor", id: "launch-editor", role: "tabpanel",
            "aria-label": "Draft" }, this.editor.element),
          this.problems.element,
          this.fields.element,
        ),
        h("div", { class: "launch-right" }, this.plan.element, this.graph.element),
      ),
    );
  }

  begin() {
    this.tabs.draw();
    this.show(this.tabs.draft);
    this.graph.load();
    void this.learn();
    void this.facts();
  }

  /** Fetches how many ops there are, and the runs that one may resume. */
  async facts() {
    try {
      const { history, ops } = await get(this.api, {}, this.signal);
      this.total = ops;
      this.fields.setRuns(history);
      if (this.checked) this.showCheck(this.checked, this.fieldProblem);
    } catch {
      // The check says what is wrong with the job.
    }
  }

  /** Fetches what completion offers. */
  async learn() {
    try {
      const { body } = this.asked();
      const selection = (/** @type {string[]} */ (body.selection)).join(",");
      this.words = await get(`${this.api}/completion`, { selection }, this.signal);
      this.fields.selection.setOps(this.words.ops);
      this.fields.setTags(this.words.tags);
      this.learned = selection;
    } catch {
      // Without it the page works; the check says what is wrong with the job.
      if (!this.signal.aborted) this.learned = undefined;
    }
  }

  /** @param {unknown} error */
  missing(error) {
    replace(this.element, errorView(error, () => go(`${path("jobs", this.job)}/launch`)));
  }

  async codeChanged() {
    await Promise.all([this.learn(), this.facts()]);
    this.graph.load();
    this.later(0);
  }

  /** @param {Jobs} jobs */
  codeIs(jobs) {
    this.isLoading = jobs.state === "loading" && !jobs.jobs.length;
    this.ready();
  }

  /** @param {Draft} draft */
  show(draft) {
    this.editor.open(draft.yaml);
    this.fields.show(draft);
    this.resume.name(draft);
    this.fields.resumes(this.resume.isOn);
    this.checked = null;
    this.later(0);
  }

  /** @param {Partial<Draft>} fields */
  changed(fields) {
    this.tabs.change(fields);
    this.resume.name(this.tabs.draft);
    this.fields.resumes(this.resume.isOn);
    this.later(QUIET_MS);
  }

  /** Begins with the config of the run to resume, where there is none yet. */
  async resumes() {
    try {
      if (this.resume.run && !this.tabs.draft.yaml.trim()) {
        const yaml = await this.resume.config();
        this.tabs.change({ yaml });
        this.editor.open(yaml);
      }
    } catch (error) {
      if (!this.signal.aborted) toastError(error);
    }
    this.later(0);
  }

  asked() {
    return this.resume.applied(bodyOf(this.tabs.draft));
  }

  /** @param {number} delay */
  later(delay) {
    this.turn += 1;
    clearTimeout(this.timer);
    this.plan.pending();
    this.timer = setTimeout(() => void this.look(), delay);
  }

  /** Checks and plans the newest text; what is asked of an older one is given up. */
  async look() {
    this.asking?.abort();
    this.asking = new AbortController();
    const signal = AbortSignal.any([this.signal, this.asking.signal]);
    const own = this.turn;
    const { body, problem } = this.asked();
    try {
      /** @type {Check} */
      const check = await post(`${this.api}/check`, body, signal);
      if (own === this.turn) this.showCheck(check, problem);
      if (own === this.turn) {
        const plan = await post(`${this.api}/plan`, body, signal);
        if (own === this.turn) {
          this.plan.show(plan);
          this.showCheck(plan.check ?? check, problem);
        }
      }
    } catch (error) {
      // 409: a newer question of this tab came.
      if (signal.aborted || /** @type {any} */ (error)?.status === 409) return;
      if (/** @type {any} */ (error)?.status === 404 && !this.checked) this.missing(error);
      else if (own === this.turn) {
        const message = error instanceof Error ? error.message : String(error);
        this.plan.failed(message);
        this.checked = null;
        this.why = message;
        this.ready();
      }
    }
    const selection = /** @type {string[]} */ (body.selection).join(",");
    if (this.checked && selection !== this.learned) void this.learn();
  }

  /** @param {Check} given @param {string | null} problem of the fields */
  showCheck(given, problem) {
    const { yaml } = this.tabs.draft;
    // A problem without a line is shown where its path leads to.
    const check = { ...given, problems: inUnits(given.problems, yaml).map((one) => (
      one.line ? one : { ...one, ...lineOf(yaml, String(one.path)) })) };
    this.checked = check;
    this.fieldProblem = problem;
    this.editor.setProblems(check.problems);
    this.editor.area.placeholder = check.is_valid ? NEEDS_NONE : NEEDS_SOME;
    this.problems.show(check.problems, check.unused);
    const isWrong = check.problems.some((one) => String(one.path).startsWith("selection"));
    const all = Math.max(this.total, check.selected.length);
    const isAll = check.selected.length === all;
    this.fields.selection.say(
      isWrong ? "" : isAll ? `all ${count(all)}` : `${count(check.selected.length)} of ${
        count(all)}`,
      isWrong,
    );
    this.graph.highlight(isAll || isWrong ? null : check.selected);
    const first = check.problems[0];
    this.why = problem ?? (check.is_valid ? "" : first
      ? `${count(check.problems.length, "problem")}: ${first.message}`
      : "The config is not valid.");
    this.isValid = check.is_valid && !problem;
    this.ready();
  }

  ready() {
    const why = this.isLoading ? "The code is loading." : this.checked ? this.why
      : this.why || "The config is being checked.";
    const isReady = Boolean(this.checked) && Boolean(this.isValid) && !this.isLoading;
    this.launch.setAttribute("aria-disabled", String(!isReady));
    this.launch.title = isReady ? "Launch the run (Ctrl+Enter)" : why;
    this.reason.textContent = isReady ? "" : why;
    this.isReady = isReady;
  }

  /** @param {Problem} problem */
  goTo(problem) {
    if (problem.line) this.editor.goTo(problem.line, problem.column);
    else if (String(problem.path).startsWith("selection")) this.fields.selection.input.focus();
    else if (String(problem.path).startsWith("tags")) this.fields.tags.focus();
    else this.editor.focus();
  }

  /** @param {string} action */
  async edit(action) {
    const { body } = this.asked();
    try {
      const { yaml, added, removed } = await post(`${this.api}/edit`, {
        yaml: body.yaml, selection: body.selection, action,
      }, this.signal);
      this.editor.update(yaml);
      const said = [added?.length ? `added ${list(added)}` : "",
        removed?.length ? `removed ${list(removed)}` : ""].filter(Boolean).join(", ");
      toast(said ? `${said[0].toUpperCase()}${said.slice(1)}.` : "Nothing to change.");
    } catch (error) {
      toastError(error);
    }
  }

  async openFile() {
    const file = await openFile();
    if (file) this.tabs.add({ ...this.tabs.draft, ...file });
  }

  /** @param {string} run */
  async takeRun(run) {
    try {
      this.tabs.add(await earlier(run, this.signal));
    } catch (error) {
      if (!this.signal.aborted) toastError(error);
    }
  }

  /** @param {"cli" | "python"} form */
  async copy(form) {
    const { body } = this.asked();
    try {
      const resumed = this.resume.run && {
        resume_from: this.resume.run.run_id, steps: this.resume.steps,
      };
      const texts = await post(`${this.api}/copy`, { ...body, ...resumed }, this.signal);
      await copyText(texts[form], form === "cli" ? "Command" : "Python");
    } catch (error) {
      toastError(error);
    }
  }

  async start() {
    if (this.isStarting) return;
    // A text that is newer than its check is checked by the launch itself.
    if (!this.isReady) {
      toast(this.reason.textContent || "The config is being checked.", { kind: "failed" });
      return;
    }
    this.isStarting = true;
    this.launch.setAttribute("aria-busy", "true");
    const { body } = this.asked();
    this.tabs.save();
    try {
      const { run_id: run } = await (this.resume.run ? this.resume.start(body.yaml)
        : post(`${this.api}/launch`, body, this.signal));
      go(path("runs", run));
    } catch (error) {
      if (this.signal.aborted) return;
      const { problems } = /** @type {{problems?: Problem[]}} */ (error);
      if (problems?.length) this.later(0);
      toastError(error);
    } finally {
      this.isStarting = false;
      this.launch.removeAttribute("aria-busy");
    }
  }
}

/** @param {string[]} paths */
function list(paths) {
  return paths.length > 4 ? `${count(paths.length)} entries` : paths.join(", ");
}
