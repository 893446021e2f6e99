/**
 * One frame of a timeline. Bars are painted as one row of pixels a track, which the canvas then
 * stretches: so a frame costs what its pixels cost, and not what its attempts cost.
 */

import { paintTrack } from "./gantt_columns.js";
import { below } from "./gantt_lanes.js";
import { AXIS, PAD, laneOf, timeAt, trackBox, trackOf, xOf } from "./gantt_scene.js";
import { tickStep, tickText } from "./time_fold.js";

/** @typedef {import("./gantt_scene.js").Scene} Scene */

const MIN_TEXT = 44;
const MOST_TEXTS = 400;

/** Draws frames into one canvas; keeps the buffers that frames share. */
export class Painter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    const context = canvas.getContext("2d");
    if (!context) throw new Error("This browser has no canvas.");
    this.context = context;
    this.strip = document.createElement("canvas");
    const strip = this.strip.getContext("2d");
    if (!strip) throw new Error("This browser has no canvas.");
    this.stripContext = strip;
    /** @type {ImageData | null} */
    this.image = null;
    this.pixels = new Uint32Array(0);
    this.edges = new Float64Array(0);
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { context, canvas } = this;
    const { width, height, ratio, gutter, colours } = scene;
    const wide = Math.max(1, Math.round(width * ratio));
    const high = Math.max(1, Math.round(height * ratio));
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const first = Math.max(0, below(scene.tops, scene.top + 1e-9) - 1);
    let last = first;
    while (last < scene.lanes.length && scene.tops[last] < scene.top + height - AXIS) last++;
    this.#grid(scene, first, last);
    context.save();
    context.beginPath();
    context.rect(gutter, AXIS, width - gutter, height - AXIS);
    context.clip();
    this.#bars(scene, first, last);
    this.#texts(scene, first, last);
    this.#gaps(scene);
    this.#running(scene, first, last);
    if (scene.path) {
      this.#outline(scene, scene.path, first, last, colours.accent, 1.5);
    }
    const marked = [scene.hovered, scene.selected].filter((row) => row >= 0);
    this.#outline(scene, Int32Array.from(marked), first, last, colours.text, 2);
    context.restore();
    this.#names(scene, first, last);
  }

  /**
   * @param {Scene} scene
   * @param {number} first
   * @param {number} last
   */
  #grid(scene, first, last) {
    const { context } = this;
    const { width, height, gutter, colours, fold } = scene;
    context.font = `11px ${colours.font}`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    const plot = width - gutter;
    const step = tickStep(scene.span, Math.max(2, plot / 90));
    context.strokeStyle = colours.line;
    context.fillStyle = colours.muted;
    context.lineWidth = 1;
    context.beginPath();
    const from = Math.max(0, timeAt(scene, gutter));
    const to = timeAt(scene, width);
    let free = -Infinity;
    for (let tick = Math.ceil(from / step); tick * step <= to; tick++) {
      const time = tick * step;
      // Of a folded gap only its edges are on the axis: its ticks would lie on each other.
      const gap = fold.gaps.find((each) => time > each.from && time < each.to);
      if (gap) {
        tick = Math.max(tick, Math.floor(gap.to / step));
        continue;
      }
      const x = Math.round(xOf(scene, time)) + 0.5;
      context.moveTo(x, AXIS - 6);
      context.lineTo(x, height);
      if (x < free) continue;
      const text = tickText(time, step);
      const wide = context.measureText(text).width;
      if (x + 4 + wide > width) continue;
      context.fillText(text, x + 4, AXIS / 2);
      free = x + wide + 12;
    }
    context.stroke();
    context.beginPath();
    for (let lane = first; lane <= last; lane++) {
      const y = Math.round(AXIS + scene.tops[lane] - scene.top) + 0.5;
      if (y < AXIS) continue;
      context.moveTo(0, y);
      context.lineTo(width, y);
    }
    context.stroke();
  }

  /**
   * @param {Scene} scene
   * @param {number} first
   * @param {number} last
   */
  #bars(scene, first, last) {
    const { columns, colours, gutter, width, ratio } = scene;
    const wide = Math.max(1, Math.round((width - gutter) * ratio));
    if (this.edges.length !== wide + 1) this.edges = new Float64Array(wide + 1);
    scene.fold.writeEdges(this.edges, scene.from, scene.span / wide);
    let tracks = 0;
    for (let i = first; i < last; i++) tracks += scene.lanes[i].tracks.length;
    if (!this.image || this.image.width !== wide || this.image.height < tracks) {
      this.image = this.stripContext.createImageData(wide, Math.max(16, tracks));
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.strip.width = wide;
      this.strip.height = this.image.height;
    }
    let at = 0;
    for (let i = first; i < last; i++) {
      for (const track of scene.lanes[i].tracks) {
        const out = this.pixels.subarray(at * wide, (at + 1) * wide);
        paintTrack(out, track, columns, this.edges, colours.paint);
        at++;
      }
    }
    this.stripContext.putImageData(this.image, 0, 0, 0, 0, wide, Math.max(1, at));
    this.context.imageSmoothingEnabled = false;
    at = 0;
    for (let i = first; i < last; i++) {
      const { area, tracks: own } = scene.lanes[i];
      if (area) this.#area(scene, i, area);
      own.forEach((_, index) => {
        const { y, h } = trackBox(scene, i, index);
        this.context.drawImage(this.strip, 0, at, wide, 1, gutter, y, width - gutter, h);
        at++;
      });
    }
  }

  /**
   * Draws how many ran at once as an area, with failures as ticks below it.
   * @param {Scene} scene
   * @param {number} lane
   * @param {import("./gantt_lanes.js").Area} area
   */
  #area(scene, lane, area) {
    const { context, edges } = this;
    const { colours, gutter, ratio, columns } = scene;
    const top = AXIS + scene.tops[lane] - scene.top + PAD;
    const high = scene.tops[lane + 1] - scene.tops[lane] - 2 * PAD;
    const bottom = top + high;
    context.beginPath();
    context.moveTo(gutter, bottom);
    let spent = area.spent(edges[0]);
    for (let x = 0; x + 1 < edges.length; x++) {
      const next = area.spent(edges[x + 1]);
      const most = (edges[x + 1] - edges[x]) * Math.max(1, area.peak);
      const y = bottom - (most > 0 ? Math.min(1, (next - spent) / most) : 0) * high;
      context.lineTo(gutter + x / ratio, y);
      context.lineTo(gutter + (x + 1) / ratio, y);
      spent = next;
    }
    context.lineTo(scene.width, bottom);
    context.closePath();
    context.fillStyle = colours.ops[scene.lanes[lane].op % colours.ops.length];
    context.globalAlpha = 0.85;
    context.fill();
    context.globalAlpha = 1;
    context.fillStyle = colours.failed;
    let drawn = -1;
    for (const row of area.failed) {
      const x = Math.floor(xOf(scene, columns.start[row]));
      if (x === drawn || x < gutter) continue;
      if (x > scene.width) break;
      context.fillRect(x, bottom - 8, 2, 8);
      drawn = x;
    }
  }

  /**
   * Writes names of ops into bars that are wide enough.
   * @param {Scene} scene
   * @param {number} first
   * @param {number} last
   */
  #texts(scene, first, last) {
    const { context, edges } = this;
    const { columns, colours, gutter, width } = scene;
    const from = edges[0];
    const to = edges[edges.length - 1];
    const least = (MIN_TEXT / Math.max(1, width - gutter)) * (to - from);
    context.font = `11px ${colours.font}`;
    context.fillStyle = colours.onBar;
    let texts = 0;
    for (let i = first; i < last && texts < MOST_TEXTS; i++) {
      const { tracks } = scene.lanes[i];
      for (let t = 0; t < tracks.length; t++) {
        const { y, h } = trackBox(scene, i, t);
        if (h < 12) continue;
        const track = tracks[t];
        let at = track.seek(columns, from);
        // More bars than could have a text: none of them is wide enough on the whole.
        const end = Math.min(track.count, at + 200);
        for (; at < end; at++) {
          const row = track.order[at];
          if (columns.start[row] >= to) break;
          if (columns.length[row] < least && !scene.fold.gaps.length) continue;
          const x0 = Math.max(gutter, xOf(scene, columns.start[row]));
          const x1 = Math.min(width, xOf(scene, columns.endOf(row)));
          if (x1 - x0 < MIN_TEXT) continue;
          const failed = columns.outcome[row] === 1;
          const name = columns.ops[columns.opOf(row)] ?? "";
          const text = fit(context, failed ? `✕ ${name}` : name, x1 - x0 - 8);
          if (failed) context.fillStyle = colours.surface;
          context.fillText(text, x0 + 4, y + h / 2 + 0.5);
          if (failed) context.fillStyle = colours.onBar;
          texts++;
        }
      }
    }
  }

  /** @param {Scene} scene */
  #gaps(scene) {
    const { context } = this;
    const { colours, height, fold } = scene;
    context.font = `11px ${colours.font}`;
    for (const gap of fold.gaps) {
      const x0 = xOf(scene, gap.from);
      const x1 = xOf(scene, gap.to);
      if (x1 < scene.gutter || x0 > scene.width) continue;
      context.fillStyle = colours.raised;
      context.fillRect(x0, AXIS, x1 - x0, height - AXIS);
      context.strokeStyle = colours.muted;
      context.setLineDash([2, 3]);
      context.beginPath();
      for (const x of [x0, x1]) {
        context.moveTo(Math.round(x) + 0.5, AXIS);
        context.lineTo(Math.round(x) + 0.5, height);
      }
      context.stroke();
      context.setLineDash([]);
      context.save();
      context.translate((x0 + x1) / 2, AXIS + 8);
      context.rotate(Math.PI / 2);
      context.fillStyle = colours.muted;
      if (height > 90) context.fillText(`${long(gap.to - gap.from)} without a step`, 0, 0);
      context.restore();
    }
  }

  /**
   * @param {Scene} scene
   * @param {number} first
   * @param {number} last
   */
  #running(scene, first, last) {
    const { context } = this;
    const { colours, present } = scene;
    if (present === null) return;
    const end = xOf(scene, present);
    for (const bar of scene.running) {
      if (bar.lane < first || bar.lane >= last) continue;
      const { y, h } = trackBox(scene, bar.lane, bar.track);
      const x = Math.max(scene.gutter, xOf(scene, bar.start));
      const wide = Math.max(2, end - x);
      context.fillStyle = colours.running;
      context.globalAlpha = 0.28;
      context.fillRect(x, y, wide, h);
      context.globalAlpha = 1;
      context.strokeStyle = colours.running;
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, Math.max(1, wide - 1), Math.max(1, h - 1));
      if (wide > MIN_TEXT && h >= 11) {
        context.fillStyle = colours.text;
        context.fillText(fit(context, bar.key, wide - 8), x + 4, y + h / 2 + 0.5);
      }
    }
    context.strokeStyle = colours.running;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(Math.round(end) + 0.5, AXIS);
    context.lineTo(Math.round(end) + 0.5, scene.height);
    context.stroke();
    context.setLineDash([]);
  }

  /**
   * @param {Scene} scene
   * @param {Int32Array} rows
   * @param {number} first
   * @param {number} last
   * @param {string} colour
   * @param {number} thick
   */
  #outline(scene, rows, first, last, colour, thick) {
    const { context } = this;
    const { columns } = scene;
    context.strokeStyle = colour;
    context.lineWidth = thick;
    context.beginPath();
    let before = -Infinity;
    for (const row of rows) {
      const x0 = xOf(scene, columns.start[row]);
      const x1 = xOf(scene, columns.endOf(row));
      if (x1 < scene.gutter - 2 || x0 > scene.width + 2) continue;
      // A path of 100,000 links has as many lines as pixels, and no more.
      if (rows.length > 2000 && x1 - before < 0.5) continue;
      before = x1;
      const lane = laneOf(scene, row);
      if (lane < first || lane >= last || scene.lanes[lane].area) continue;
      const { y, h } = trackBox(scene, lane, trackOf(scene, lane, row));
      const left = Math.max(x0, scene.gutter - 4);
      context.rect(left, y - 0.5, Math.max(1.5, Math.min(x1, scene.width + 4) - left), h + 1);
    }
    context.stroke();
    context.lineWidth = 1;
  }

  /**
   * @param {Scene} scene
   * @param {number} first
   * @param {number} last
   */
  #names(scene, first, last) {
    const { context } = this;
    const { colours, gutter, height } = scene;
    context.save();
    context.beginPath();
    context.rect(0, AXIS, gutter, height - AXIS);
    context.clip();
    context.font = `12px ${colours.font}`;
    context.fillStyle = colours.text;
    for (let lane = first; lane < last; lane++) {
      const y = AXIS + scene.tops[lane] - scene.top;
      const high = scene.tops[lane + 1] - scene.tops[lane];
      const text = fit(context, scene.lanes[lane].label, gutter - 12);
      context.fillText(text, 4, y + Math.min(high, 44) / 2 + 0.5);
    }
    context.restore();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} width
 */
function fit(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = Math.max(0, Math.floor((text.length * width) / context.measureText(text).width));
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > width) length--;
  return length ? `${text.slice(0, length)}…` : "";
}

/** @param {number} seconds */
function long(seconds) {
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
