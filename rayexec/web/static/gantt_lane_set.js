/**
 * The lanes that a timeline shows: by worker or by op, and one for what runs now.
 */

import { Track } from "./gantt_columns.js";
import { WorkerLanes, lanesByOp } from "./gantt_lanes.js";

/** @typedef {import("./gantt_lanes.js").Lane} Lane */
/** @typedef {import("./attempt_columns.js").AttemptColumns} AttemptColumns */

/** Ops are packed again at most this often while a run grows. */
const PACK_MS = 1_000;
/** Steps that run now and have a bar each. */
const MOST_RUNNING = 16;
/** The op of the lane of what runs now: no op has it. */
export const RUNNING = -2;

/** @typedef {{key: string, lane: number, track: number, start: number}} RunningBar */

export class LaneSet {
  /** @param {string} by */
  constructor(by) {
    this.by = by;
    this.workers = new WorkerLanes();
    /** @type {Lane[]} */
    this.ops = [];
    this.packedAt = -Infinity;
    /** @type {Lane} */
    this.runningLane = { label: "running now", more: "", tracks: [], area: null, op: RUNNING };
    /** @type {(string | null)[]} which step has which track; it keeps it until its end */
    this.slots = [];
  }

  /** @param {string} by */
  setMode(by) {
    this.by = by;
    this.packedAt = -Infinity;
  }

  /**
   * Return the lanes with all rows that came.
   * @param {AttemptColumns} columns
   * @param {boolean} moved
   * @param {number} time in milliseconds
   * @returns {Lane[]}
   */
  lanes(columns, moved, time) {
    this.workers.update(columns, moved);
    if (this.by === "op" && (time - this.packedAt > PACK_MS || columns.isOver)) {
      this.ops = lanesByOp(columns);
      this.packedAt = time;
    }
    // A worker that showed itself late leaves an empty lane, since its attempts moved.
    const lanes = this.by === "op" ? this.ops
      : this.workers.lanes.filter((lane) => lane.tracks[0].count);
    return this.runningLane.tracks.length ? [...lanes, this.runningLane] : lanes;
  }

  /**
   * Return a bar for each step that runs, each on the track that it had before.
   * @param {{key: string, start: number}[]} running
   * @returns {Omit<RunningBar, "lane">[]}
   */
  bars(running) {
    const shown = running.slice(0, MOST_RUNNING);
    const keys = new Set(shown.map(({ key }) => key));
    this.slots = this.slots.map((key) => (key !== null && keys.has(key) ? key : null));
    const bars = shown.map(({ key, start }) => {
      let track = this.slots.indexOf(key);
      if (track < 0) track = this.slots.indexOf(null);
      if (track < 0) track = this.slots.length;
      this.slots[track] = key;
      return { key, track, start };
    });
    while (this.slots.length && this.slots[this.slots.length - 1] === null) this.slots.pop();
    const { tracks } = this.runningLane;
    // Height that goes and comes with each step would move all lanes: it only grows.
    if (!running.length && !bars.length && tracks.length) return bars;
    while (tracks.length < this.slots.length) tracks.push(new Track());
    return bars;
  }

  /** Leave the lane of what runs out. */
  clearRunning() {
    this.slots = [];
    this.runningLane.tracks = [];
  }
}
