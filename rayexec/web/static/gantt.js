/**
 * The timeline of a run: a canvas, its minimap, and what is said about the attempt that the
 * pointer or a key chose.
 */

import { drawn, h, replace } from "./dom.js";
import { count, duration } from "./format.js";
import { Painter } from "./gantt_canvas.js";
import { listen } from "./gantt_input.js";
import { LaneSet, RUNNING } from "./gantt_lane_set.js";
import { Minimap } from "./gantt_minimap.js";
import { AXIS, at, laneOf, topsOf, trackBox, trackOf, xOf } from "./gantt_scene.js";
import { colours } from "./gantt_theme.js";
import { failureParts, tell, timelineParts } from "./gantt_parts.js";
import { facts, legend } from "./gantt_words.js";
import { onThemeChange } from "./theme.js";
import { TimeFold, foldOf } from "./time_fold.js";

/** @typedef {import("./gantt_scene.js").Scene} Scene */
/** @typedef {import("./attempt_columns.js").AttemptColumns} AttemptColumns */

/**
 * @typedef {object} TimelineOptions
 * @property {AttemptColumns} columns
 * @property {(step: number) => Promise<string>} keyOf
 * @property {(step: number) => void} onChoose
 * @property {(op: string) => void} onOp
 * @property {(key: string) => void} onKey
 * @property {string} [by] "worker" or "op"
 * @property {(by: string) => void} [onBy]
 * @property {AbortSignal} signal
 */

const FOLD_MS = 2_000;
const SHORTEST_SPAN = 1e-6;
const REDUCED_MS = 1_000;
export class Timeline {
  /** @param {TimelineOptions} options */
  constructor(options) {
    this.options = options;
    this.columns = options.columns;
    this.laneSet = new LaneSet(options.by === "op" ? "op" : "worker");
    this.isWhole = true;
    this.isPlanned = false;
    this.isVisible = true;
    this.foldedAt = -Infinity;
    this.hasFolds = true;
    this.failure = -1;
    /** @type {{time: number, at: number} | null} the driver's clock, and ours at that moment */
    this.clock = null;
    this.parts = timelineParts({
      by: this.laneSet.by,
      setMode: (mode) => this.#setMode(mode),
      zoom: (factor) => this.#zoom(factor),
      fit: () => this.#fit(),
      fold: (hasFolds) => {
        this.hasFolds = hasFolds;
        this.foldedAt = -Infinity;
        this.isWhole = true;
        this.update({ moved: false });
      },
    });
    this.element = this.parts.element;
    /** @type {Scene} */
    this.scene = {
      columns: this.columns, lanes: [], tops: new Float64Array(1), fold: new TimeFold(),
      from: 0, span: 1, top: 0, width: 600, height: 200, gutter: 128,
      ratio: devicePixelRatio || 1, colours: colours(), running: [], present: null,
      path: null, selected: -1, hovered: -1,
    };
    this.painter = new Painter(this.parts.canvas);
    const show = (/** @type {number} */ from, /** @type {number} */ span) => this.#show(from, span);
    this.minimap = new Minimap(this.parts.map, show, options.signal);
    this.#listen();
    this.update({ moved: false });
  }

  #listen() {
    const { signal } = this.options;
    listen(this.parts.frame, this.parts.canvas, {
      zoom: (factor, x) => this.#zoom(factor, x),
      pan: (pixels) => this.#pan(pixels),
      scroll: (pixels) => (this.parts.frame.scrollTop += pixels),
      fit: () => this.#fit(),
      hover: (x, y) => this.#hover(x, y),
      leave: () => this.#leave(),
      click: (x, y) => this.#click(x, y),
      failure: (direction) => this.goToFailure(direction),
      open: () => this.#open(this.scene.selected),
    }, signal);
    this.parts.frame.addEventListener("scroll", () => this.invalidate(), { signal, passive: true });
    const sizes = new ResizeObserver(() => this.#measure());
    sizes.observe(this.element);
    const views = new IntersectionObserver(([entry]) => {
      this.isVisible = entry.isIntersecting;
      this.invalidate();
    });
    views.observe(this.element);
    signal.addEventListener("abort", () => {
      sizes.disconnect();
      views.disconnect();
    });
    document.addEventListener("visibilitychange", () => this.invalidate(), { signal });
    onThemeChange(() => {
      this.scene.colours = colours();
      this.#drawLegend();
      this.invalidate();
    }, signal);
  }

  /**
   * Take what came into the columns since the last call.
   * @param {{moved: boolean}} change
   */
  update({ moved }) {
    const { columns, scene } = this;
    const time = performance.now();
    scene.lanes = this.laneSet.lanes(columns, moved, time);
    if (time - this.foldedAt > FOLD_MS) {
      const fold = this.hasFolds ? foldOf(columns, this.#until()) : new TimeFold();
      if (this.hasFolds) this.parts.foldLabel.hidden = !fold.gaps.length;
      if (fold.gaps.length !== scene.fold.gaps.length || columns.isOver) scene.fold = fold;
      this.foldedAt = time;
    }
    this.#measure();
    this.#drawFailures();
    this.#drawLegend();
    this.invalidate();
  }

  /**
   * Show what runs now; null for a run that is over.
   * @param {{time: number, running: {key: string, start: number}[]} | null} now
   */
  setNow(now) {
    const { scene, laneSet, columns } = this;
    this.clock = now && { time: now.time, at: performance.now() };
    scene.present = now ? now.time - columns.epoch : null;
    if (!now) laneSet.clearRunning();
    const bars = now ? laneSet.bars(now.running) : [];
    const before = scene.lanes.length;
    const tracks = scene.lanes.at(-1)?.tracks.length;
    scene.lanes = laneSet.lanes(columns, false, performance.now());
    scene.running = bars.map((bar) => ({ ...bar, lane: scene.lanes.length - 1 }));
    if (scene.lanes.length !== before || scene.lanes.at(-1)?.tracks.length !== tracks) {
      this.#measure();
    }
    this.invalidate();
  }

  /** @param {Int32Array | null} rows of the critical path */
  setPath(rows) {
    this.scene.path = rows;
    this.#drawLegend();
    this.invalidate();
  }

  /** Draw at the next frame. */
  invalidate() {
    if (this.isPlanned || this.options.signal.aborted) return;
    this.isPlanned = true;
    requestAnimationFrame(() => {
      this.isPlanned = false;
      if (!this.options.signal.aborted) this.#frame();
    });
  }

  #frame() {
    const { scene } = this;
    if (!this.isVisible || document.visibilityState !== "visible") return;
    if (this.clock) {
      scene.present = this.clock.time + (performance.now() - this.clock.at) / 1000
        - this.columns.epoch;
    }
    if (this.isWhole) {
      scene.from = 0;
      scene.span = this.#whole();
    }
    scene.top = this.parts.frame.scrollTop;
    const before = performance.now();
    this.painter.draw(scene);
    this.minimap.draw(scene, this.#whole());
    drawn("timeline", { rows: this.columns.count, ms: performance.now() - before });
    if (this.clock) this.#goOn();
  }

  /** Draw again as soon as running bars have grown by half a pixel. */
  #goOn() {
    const { scene } = this;
    const pixel = (scene.span / Math.max(1, scene.width - scene.gutter)) * 500;
    const isReduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const delay = Math.max(isReduced ? REDUCED_MS : 0, pixel);
    if (delay < 20) this.invalidate();
    else setTimeout(() => this.invalidate(), Math.min(delay, REDUCED_MS));
  }

  #until() {
    return Math.max(this.columns.latest, this.scene.present ?? 0, SHORTEST_SPAN);
  }

  /** Seconds of the axis of the whole run, with a little room at its end. */
  #whole() {
    return Math.max(this.scene.fold.fold(this.#until()) * 1.01, SHORTEST_SPAN);
  }

  #measure() {
    const { scene } = this;
    scene.tops = topsOf(scene.lanes, scene.tops);
    const top = scene.tops[scene.lanes.length];
    scene.width = Math.max(80, this.parts.frame.clientWidth);
    scene.gutter = scene.width < 520 ? 76 : 132;
    scene.ratio = devicePixelRatio || 1;
    const most = Math.max(160, Math.round(innerHeight * 0.62));
    const height = Math.min(most, top + AXIS + 4);
    scene.height = height;
    this.parts.frame.style.height = `${height}px`;
    this.parts.space.style.height = `${top + AXIS + 4}px`;
    this.parts.canvas.style.height = `${height}px`;
    this.invalidate();
  }

  /** @param {string} mode */
  #setMode(mode) {
    this.laneSet.setMode(mode);
    this.parts.modes.forEach((each, index) =>
      each.setAttribute("aria-pressed", String(["worker", "op"][index] === mode)));
    this.parts.frame.scrollTop = 0;
    this.update({ moved: false });
    this.options.onBy?.(mode);
  }

  /**
   * @param {number} from
   * @param {number} span
   */
  #show(from, span) {
    const whole = this.#whole();
    const shown = Math.min(whole, Math.max(SHORTEST_SPAN, span));
    this.isWhole = shown >= whole * 0.999;
    this.scene.span = shown;
    this.scene.from = Math.max(0, Math.min(from, whole - shown));
    this.invalidate();
  }

  /**
   * @param {number} factor of what is shown
   * @param {number} [x] place that stays, in pixels
   */
  #zoom(factor, x) {
    const { scene } = this;
    const part = x === undefined ? 0.5 : Math.max(0, (x - scene.gutter)
      / Math.max(1, scene.width - scene.gutter));
    const span = scene.span * factor;
    this.#show(scene.from + (scene.span - span) * part, span);
  }

  /** @param {number} pixels */
  #pan(pixels) {
    const { scene } = this;
    const moved = (pixels / Math.max(1, scene.width - scene.gutter)) * scene.span;
    this.#show(scene.from + moved, scene.span);
  }

  #fit() {
    this.isWhole = true;
    this.invalidate();
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  #hover(x, y) {
    const found = at(this.scene, x, y);
    const row = found?.row ?? -1;
    this.parts.canvas.classList.toggle("is-over", row >= 0);
    if (row === this.scene.hovered && row >= 0) return;
    this.scene.hovered = row;
    this.invalidate();
    const lane = found && this.scene.lanes[found.lane];
    if (found && lane?.op === RUNNING) this.#tellRunning(x, y, found.track);
    else if (found && lane?.area) {
      const slack = this.scene.span / 200;
      const many = lane.area.atOnce(found.time - slack, found.time + slack);
      tell(this.parts, x, y, [h("strong", null, lane.label),
        h("span", null, `${many.toFixed(1)} at once here, ${lane.area.peak} at most, `
          + `${count(lane.area.count)} attempts`)]);
    } else if (row >= 0) tell(this.parts, x, y, facts(this.columns, row, this.options.keyOf));
    else this.parts.tip.hidden = true;
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} track
   */
  #tellRunning(x, y, track) {
    const bar = this.scene.running.find((each) => each.track === track);
    this.parts.canvas.classList.toggle("is-over", bar !== undefined);
    if (!bar) this.parts.tip.hidden = true;
    else {
      const seconds = (this.scene.present ?? bar.start) - bar.start;
      tell(this.parts, x, y, [h("strong", null, bar.key), `runs for ${duration(seconds)}`]);
    }
  }

  #leave() {
    this.parts.tip.hidden = true;
    if (this.scene.hovered < 0) return;
    this.scene.hovered = -1;
    this.invalidate();
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  #click(x, y) {
    const found = at(this.scene, x, y);
    const lane = found && this.scene.lanes[found.lane];
    const bar = lane?.op === RUNNING && this.scene.running.find((each) =>
      each.track === found?.track);
    if (bar) this.options.onKey(bar.key);
    else if (found && found.row >= 0) this.#open(found.row);
    else if (lane?.area) this.options.onOp(lane.label);
  }

  /** @param {number} row */
  #open(row) {
    if (row >= 0) this.options.onChoose(this.columns.step[row]);
  }

  /**
   * Select the next or previous failed attempt, and show it.
   * @param {1 | -1} direction
   */
  goToFailure(direction) {
    const many = this.columns.failureCount;
    if (!many) return;
    const first = direction > 0 ? 0 : many - 1;
    this.failure = this.failure < 0 ? first : (this.failure + direction + many) % many;
    this.select(this.columns.failures[this.failure]);
    this.#drawFailures();
  }

  /**
   * Select an attempt and bring it into view.
   * @param {number} row
   */
  select(row) {
    const { scene, columns } = this;
    scene.selected = row;
    const start = scene.fold.fold(columns.start[row]);
    const length = Math.max(columns.length[row], SHORTEST_SPAN);
    const plot = Math.max(1, scene.width - scene.gutter);
    let span = scene.span;
    // A bar of less than 3 pixels is not seen: zoom in until it has a twentieth of the width.
    if ((length / span) * plot < 3) span = length * 20;
    this.#show(start + length / 2 - span / 2, span);
    const lane = laneOf(scene, row);
    if (lane < 0) return;
    const top = scene.tops[lane];
    const view = scene.height - AXIS;
    if (top < scene.top || top + 20 > scene.top + view) {
      this.parts.frame.scrollTop = Math.max(0, top - view / 2);
    }
    const step = columns.step[row];
    const index = this.failure < 0 ? ""
      : `Failure ${this.failure + 1} of ${columns.failureCount}: `;
    void this.options.keyOf(step).then((key) => {
      const seconds = duration(columns.length[row]);
      this.parts.said.textContent = `${index}${key}, ${seconds}. Enter opens it.`;
    }, () => {});
    requestAnimationFrame(() => {
      const box = trackBox(scene, lane, trackOf(scene, lane, row));
      const x = Math.max(scene.gutter, xOf(scene, columns.start[row]));
      tell(this.parts, x, box.y, facts(columns, row, this.options.keyOf));
    });
  }

  #drawFailures() {
    const many = this.columns.failureCount;
    const key = `${many}/${this.failure}`;
    if (this.parts.failures.dataset.key === key) return;
    const hadFocus = this.parts.failures.contains(document.activeElement);
    this.parts.failures.dataset.key = key;
    replace(this.parts.failures, failureParts(this.failure, many, (way) => this.goToFailure(way)));
    if (hadFocus) /** @type {HTMLElement} */ (this.parts.failures.lastElementChild)?.focus();
  }

  #drawLegend() {
    const { columns, scene } = this;
    const key = `${columns.limits.length}/${columns.failureCount > 0}/${scene.path !== null}/`
      + `${columns.hasRetries}/`
      + `${scene.colours.surface}`;
    if (this.parts.legend.dataset.key === key) return;
    this.parts.legend.dataset.key = key;
    replace(this.parts.legend, legend(scene));
  }
}
