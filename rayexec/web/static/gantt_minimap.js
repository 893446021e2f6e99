/** The whole run in small: how much ran at once, failures, and the part that the timeline shows. */

import { Profile } from "./gantt_lanes.js";

/** @typedef {import("./gantt_scene.js").Scene} Scene */

const BUCKETS = 1024;
const HEIGHT = 40;

export class Minimap {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(from: number, span: number) => void} onMove
   * @param {AbortSignal} signal
   */
  constructor(canvas, onMove, signal) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.profile = new Profile(BUCKETS);
    /** @type {import("./time_fold.js").TimeFold | null} */
    this.fold = null;
    /** @type {Scene | null} */
    this.scene = null;
    this.whole = 1;
    /** @type {{x: number, from: number, span: number, kind: "move" | "left" | "right"} | null} */
    let drag = null;
    const place = (/** @type {PointerEvent} */ event) => {
      const box = canvas.getBoundingClientRect();
      const gutter = this.scene?.gutter ?? 0;
      return ((event.clientX - box.left - gutter) / Math.max(1, box.width - gutter)) * this.whole;
    };
    canvas.addEventListener("pointerdown", (event) => {
      const { scene } = this;
      if (!scene || event.button) return;
      canvas.setPointerCapture(event.pointerId);
      const x = place(event);
      const near = (this.whole / Math.max(1, canvas.clientWidth)) * 6;
      const end = scene.from + scene.span;
      if (Math.abs(x - scene.from) < near) drag = { x, ...view(scene), kind: "left" };
      else if (Math.abs(x - end) < near) drag = { x, ...view(scene), kind: "right" };
      else {
        if (x < scene.from || x > end) onMove(x - scene.span / 2, scene.span);
        drag = { x, from: this.scene?.from ?? 0, span: scene.span, kind: "move" };
      }
    }, { signal });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return;
      const moved = place(event) - drag.x;
      if (drag.kind === "move") onMove(drag.from + moved, drag.span);
      else if (drag.kind === "left") onMove(drag.from + moved, drag.span - moved);
      else onMove(drag.from, drag.span + moved);
    }, { signal });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, () => (drag = null), { signal });
    }
  }

  /**
   * @param {Scene} scene
   * @param {number} whole seconds of the axis of the whole run
   */
  draw(scene, whole) {
    this.scene = scene;
    this.whole = whole;
    const { profile, context, canvas } = this;
    if (this.fold !== scene.fold) {
      profile.clear();
      this.fold = scene.fold;
    }
    profile.update(scene.columns, scene.fold, whole);
    const { width, ratio, gutter, colours } = scene;
    const wide = Math.max(1, Math.round(width * ratio));
    const high = Math.round(HEIGHT * ratio);
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, HEIGHT);
    const plot = width - gutter;
    const used = (whole / profile.span) * BUCKETS;
    let most = 0.01;
    for (let i = 0; i < used && i < BUCKETS; i++) most = Math.max(most, profile.seconds[i]);
    context.fillStyle = colours.muted;
    context.globalAlpha = 0.45;
    context.beginPath();
    context.moveTo(gutter, HEIGHT);
    for (let i = 0; i < used && i < BUCKETS; i++) {
      const y = HEIGHT - 2 - (profile.seconds[i] / most) * (HEIGHT - 8);
      context.lineTo(gutter + (i / used) * plot, y);
      context.lineTo(gutter + Math.min(1, (i + 1) / used) * plot, y);
    }
    context.lineTo(width, HEIGHT);
    context.fill();
    context.globalAlpha = 1;
    context.fillStyle = colours.failed;
    for (let i = 0; i < used && i < BUCKETS; i++) {
      if (profile.failed[i]) context.fillRect(gutter + (i / used) * plot, 0, 2, 7);
    }
    const x0 = gutter + Math.max(0, scene.from / whole) * plot;
    const x1 = gutter + Math.min(1, (scene.from + scene.span) / whole) * plot;
    context.fillStyle = colours.accent;
    context.globalAlpha = 0.13;
    context.fillRect(x0, 0, Math.max(2, x1 - x0), HEIGHT);
    context.globalAlpha = 1;
    context.strokeStyle = colours.accent;
    context.lineWidth = 1.5;
    context.strokeRect(x0 + 0.75, 0.75, Math.max(1, x1 - x0 - 1.5), HEIGHT - 1.5);
    context.font = `11px ${colours.font}`;
    context.textBaseline = "middle";
    context.fillStyle = colours.muted;
    context.fillText(most >= 1.5 ? `≤ ${Math.round(most)} at once` : "whole run", 4, HEIGHT / 2);
  }
}

/** @param {Scene} scene */
function view(scene) {
  return { from: scene.from, span: scene.span };
}
