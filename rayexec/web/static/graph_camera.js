/**
 * The camera over a graph, as plain values: `x`, `y` is the point of the graph in the upper left
 * corner of the view, `k` the zoom.
 *
 * @typedef {{x: number, y: number, k: number}} Camera
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: number, y: number, w: number, h: number}} Box
 */

export const MOST_ZOOM = 2.5;
export const LEAST_ZOOM = 0.02;
/** The zoom below which labels are hard to read. */
const READABLE = 0.75;
const MARGIN = 24;

/**
 * Returns the camera that shows the whole box, never larger than life.
 * @param {Box} box @param {Size} view @returns {Camera}
 */
export function fitted(box, view) {
  const k = clampZoom(Math.min(
    1,
    (view.width - 2 * MARGIN) / Math.max(1, box.w),
    (view.height - 2 * MARGIN) / Math.max(1, box.h),
  ));
  return {
    x: box.x - (view.width / k - box.w) / 2,
    y: box.h * k + 2 * MARGIN < view.height ? box.y - MARGIN / k
      : box.y - (view.height / k - box.h) / 2,
    k,
  };
}

/**
 * Returns the first camera of a graph: all of it where its labels stay readable, else its top.
 * @param {Size} graph @param {Size} view @returns {Camera}
 */
export function opening(graph, view) {
  const box = { x: 0, y: 0, w: graph.width, h: graph.height };
  const whole = fitted(box, view);
  if (whole.k >= READABLE) return whole;
  const k = clampZoom(Math.max(READABLE, Math.min(1, (view.width - 2 * MARGIN) / graph.width)));
  return { x: graph.width / 2 - view.width / k / 2, y: -MARGIN / k, k };
}

/** @param {number} k @returns {number} */
export function clampZoom(k) {
  return Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, k));
}

/**
 * Zooms by a factor and keeps the point below (`px`, `py`) of the view where it is.
 * @param {Camera} camera @param {number} factor @param {number} px @param {number} py
 * @returns {Camera}
 */
export function zoomed(camera, factor, px, py) {
  const k = clampZoom(camera.k * factor);
  return { x: camera.x + px / camera.k - px / k, y: camera.y + py / camera.k - py / k, k };
}

/**
 * @param {Camera} camera @param {number} dx @param {number} dy pixels of the view
 * @returns {Camera}
 */
export function panned(camera, dx, dy) {
  return { x: camera.x - dx / camera.k, y: camera.y - dy / camera.k, k: camera.k };
}

/**
 * Keeps a part of the graph in view, so that nobody loses it.
 * @param {Camera} camera @param {Size} graph @param {Size} view @returns {Camera}
 */
export function bounded(camera, graph, view) {
  const w = view.width / camera.k;
  const h = view.height / camera.k;
  const keep = Math.min(60 / camera.k, graph.width, graph.height);
  return {
    x: Math.min(graph.width - keep, Math.max(keep - w, camera.x)),
    y: Math.min(graph.height - keep, Math.max(keep - h, camera.y)),
    k: camera.k,
  };
}

/** @param {Camera} camera @param {Size} view @returns {Box} */
export function visible(camera, view) {
  return { x: camera.x, y: camera.y, w: view.width / camera.k, h: view.height / camera.k };
}

/** @param {Box} one @param {Box} other @returns {boolean} */
export function overlap(one, other) {
  return one.x < other.x + other.w && other.x < one.x + one.w
    && one.y < other.y + other.h && other.y < one.y + one.h;
}

/**
 * Moves the camera as little as needed to show a box.
 * @param {Camera} camera @param {Box} box @param {Size} view @returns {Camera}
 */
export function showing(camera, box, view) {
  const k = camera.k < 0.4 ? 0.8 : camera.k;
  const w = view.width / k;
  const h = view.height / k;
  if (k !== camera.k) return { x: box.x + box.w / 2 - w / 2, y: box.y + box.h / 2 - h / 2, k };
  const margin = MARGIN / k;
  let { x, y } = camera;
  if (box.x + box.w + margin > x + w) x = box.x + box.w + margin - w;
  if (box.x - margin < x) x = box.x - margin;
  if (box.y + box.h + margin > y + h) y = box.y + box.h + margin - h;
  if (box.y - margin < y) y = box.y - margin;
  return { x, y, k };
}
