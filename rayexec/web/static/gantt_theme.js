/** Colours of the timeline, for the theme of this moment. */

import { color, isDark } from "./theme.js";

/** Colours of ops, over and over; none of them is one of failure or retry. */
const OPS = {
  light: ["#5b87d6", "#3f9d94", "#9a78c2", "#7d9440", "#6a86a3", "#4a9ac0", "#a8799c", "#8a8fd0"],
  dark: ["#6f9be8", "#4fb3a9", "#b08fd8", "#94ad52", "#83a0bf", "#5fb2d9", "#c08fb3", "#a0a5e6"],
};
/** Colours of limits, over and over. */
const LIMITS = {
  light: ["#d6a54b", "#c98bb8", "#8fae62", "#8d9be0", "#cf8e74", "#5fb0a8"],
  dark: ["#c9973c", "#b877a6", "#82a256", "#7c8bd2", "#bd7c62", "#4f9f97"],
};

/**
 * @typedef {object} Colours
 * @property {string} text
 * @property {string} muted
 * @property {string} line
 * @property {string} surface
 * @property {string} raised
 * @property {string} accent
 * @property {string} failed
 * @property {string} retried
 * @property {string} running
 * @property {string} onBar text on a bar
 * @property {string} font
 * @property {string[]} ops
 * @property {string[]} limits
 * @property {import("./gantt_columns.js").Paint} paint
 */

/** @returns {Colours} */
export function colours() {
  const theme = isDark() ? "dark" : "light";
  const named = (/** @type {string} */ name, /** @type {string} */ other) => color(name) || other;
  const failed = named("failed", "#c0392b");
  const retried = named("retried", "#b7791f");
  return {
    text: named("text", "#1c2330"),
    muted: named("muted", "#5c6675"),
    line: named("line", "#dfe3e8"),
    surface: named("surface", "#ffffff"),
    raised: named("raised", "#f4f6f8"),
    accent: named("accent", "#2f6fde"),
    failed,
    retried,
    running: named("running", "#2f6fde"),
    onBar: theme === "dark" ? "#0d1117" : "#0c1420",
    font: getComputedStyle(document.body).fontFamily || "system-ui, sans-serif",
    ops: OPS[theme],
    limits: LIMITS[theme],
    paint: {
      ops: Uint32Array.from(OPS[theme], pixelOf),
      limits: Uint32Array.from(LIMITS[theme], pixelOf),
      failed: pixelOf(failed),
      retried: pixelOf(retried),
      retry: 2,
    },
  };
}

/** @type {OffscreenCanvasRenderingContext2D | null} */
let reader = null;

/**
 * Return a colour as a pixel of a canvas, 0xAABBGGRR.
 * @param {string} text any colour of CSS
 */
function pixelOf(text) {
  const hex = /^#([0-9a-f]{6})$/i.exec(text)?.[1];
  if (hex) {
    const [r, g, b] = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  reader ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  if (!reader) return 0xff808080;
  reader.fillStyle = text;
  reader.fillRect(0, 0, 1, 1);
  const [r, g, b] = reader.getImageData(0, 0, 1, 1).data;
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}
