/** Geometry of a timeline: what is where. Pure. */

import { NO_LIMIT } from "./attempt_columns.js";
import { below } from "./gantt_lanes.js";

/** @typedef {import("./gantt_lanes.js").Lane} Lane */

/**
 * @typedef {object} Scene all that a frame shows
 * @property {import("./attempt_columns.js").AttemptColumns} columns
 * @property {Lane[]} lanes
 * @property {Float64Array} tops where each lane begins, and the height of all at the end
 * @property {import("./time_fold.js").TimeFold} fold
 * @property {number} from place on the axis at the left
 * @property {number} span seconds of the axis that are shown
 * @property {number} top pixels scrolled
 * @property {number} width
 * @property {number} height
 * @property {number} gutter width of the names
 * @property {number} ratio device pixels a pixel
 * @property {import("./gantt_theme.js").Colours} colours
 * @property {import("./gantt_lane_set.js").RunningBar[]} running
 * @property {number | null} present time that runs on; null when the run is over
 * @property {Int32Array | null} path rows of the critical path
 * @property {number} selected row, or -1
 * @property {number} hovered row, or -1
 */

/** Height of the axis. */
export const AXIS = 26;
/** Pixels free above and below a lane. */
export const PAD = 2;

/**
 * Return the height of a lane.
 * @param {Lane} lane
 * @param {number} lanes how many there are
 */
function laneHeight(lane, lanes) {
  if (lane.area) return 44;
  if (lane.op < -1) return Math.max(22, lane.tracks.length * 14 + 2 * PAD);
  if (lane.op >= 0) return Math.max(22, lane.tracks.length * 9 + 2 * PAD);
  return lanes <= 4 ? 30 : 20;
}

/**
 * Return where each lane begins, and the height of all of them at the end.
 * @param {Lane[]} lanes
 * @param {Float64Array} former written again where its length fits
 */
export function topsOf(lanes, former) {
  const tops = former.length === lanes.length + 1 ? former : new Float64Array(lanes.length + 1);
  lanes.forEach((lane, index) => {
    tops[index + 1] = tops[index] + laneHeight(lane, lanes.length);
  });
  return tops;
}

/**
 * Return the place of a time in pixels from the left.
 * @param {Scene} scene
 * @param {number} time
 */
export function xOf(scene, time) {
  const plot = scene.width - scene.gutter;
  return scene.gutter + ((scene.fold.fold(time) - scene.from) / scene.span) * plot;
}

/**
 * Return the time at a place.
 * @param {Scene} scene
 * @param {number} x
 */
export function timeAt(scene, x) {
  const plot = scene.width - scene.gutter;
  return scene.fold.unfold(scene.from + ((x - scene.gutter) / plot) * scene.span);
}

/**
 * Return where a track is, from the top of the canvas.
 * @param {Scene} scene
 * @param {number} lane
 * @param {number} track
 */
export function trackBox(scene, lane, track) {
  const top = AXIS + scene.tops[lane] - scene.top + PAD;
  const high = scene.tops[lane + 1] - scene.tops[lane] - 2 * PAD;
  const tracks = Math.max(1, scene.lanes[lane].tracks.length);
  const h = high / tracks;
  return { y: top + track * h, h: tracks > 1 ? h - 1 : h };
}

/**
 * Return the lane of a row, or -1.
 * @param {Scene} scene
 * @param {number} row
 */
export function laneOf(scene, row) {
  const { lanes, columns } = scene;
  if (!lanes.length) return -1;
  if (lanes[0].op === -1) {
    const id = columns.lane[row];
    return lanes[id]?.id === id ? id : lanes.findIndex((lane) => lane.id === id);
  }
  const op = columns.opOf(row);
  return lanes.findIndex((lane) => lane.op === op);
}

/**
 * Return the track of a row in its lane.
 * @param {Scene} scene
 * @param {number} lane
 * @param {number} row
 */
export function trackOf(scene, lane, row) {
  const { tracks } = scene.lanes[lane];
  if (tracks.length < 2) return 0;
  const middle = scene.columns.start[row] + scene.columns.length[row] / 2;
  const at = tracks.findIndex((track) => track.rowAt(scene.columns, middle, 0) === row);
  return Math.max(0, at);
}

/**
 * Return what is at a point: a lane, a time, and the row there (or -1).
 * @param {Scene} scene
 * @param {number} x
 * @param {number} y
 */
export function at(scene, x, y) {
  if (y < AXIS || x < scene.gutter || !scene.lanes.length) return null;
  const lane = below(scene.tops, y - AXIS + scene.top + 1e-9) - 1;
  if (lane < 0 || lane >= scene.lanes.length) return null;
  const time = timeAt(scene, x);
  const slack = Math.abs(timeAt(scene, x + 3) - time);
  const { tracks } = scene.lanes[lane];
  if (!tracks.length) return { lane, time, track: -1, row: -1 };
  const { h } = trackBox(scene, lane, 0);
  const inside = y - trackBox(scene, lane, 0).y;
  const track = Math.max(0, Math.min(tracks.length - 1, Math.floor(inside / (h + 1))));
  return { lane, time, track, row: tracks[track].rowAt(scene.columns, time, slack) };
}

/**
 * Return the limit that a row waited for, or null.
 * @param {import("./attempt_columns.js").AttemptColumns} columns
 * @param {number} row
 */
export function limitOf(columns, row) {
  const index = columns.waitLimit[row];
  return index === NO_LIMIT ? null : (columns.limits[index] ?? null);
}
