/**
 * Which rows of a long table are in view. Browsers cut elements off beyond some 17 million pixels,
 * so a longer table scrolls through a shorter box, several rows a pixel.
 */

export const MOST_PIXELS = 8_000_000;

/**
 * @typedef {{
 *   first: number,
 *   last: number,
 *   offset: number,
 *   height: number,
 * }} TableWindow rows from `first` up to `last` (exclusive), the pixels above them, and all pixels
 */

/**
 * Return the window of a table.
 * @param {{ top: number, view: number, row: number, count: number, spare?: number }} table pixels
 *   scrolled away, pixels in view, pixels of a row, count of rows, rows kept above and below
 * @returns {TableWindow}
 */
export function tableWindow({ top, view, row, count, spare = 6 }) {
  const all = count * row;
  const height = Math.min(all, MOST_PIXELS);
  const most = Math.max(0, height - view);
  const scrolled = Math.max(0, Math.min(top, most));
  const scale = most > 0 ? (all - view) / most : 1;
  const real = height < all ? scrolled * scale : scrolled;
  const first = Math.max(0, Math.floor(real / row) - spare);
  const last = Math.min(count, Math.ceil((real + view) / row) + spare);
  return { first, last: Math.max(first, last), offset: scrolled - (real - first * row), height };
}

/**
 * Return the pixels to scroll to so that a row is in view; `top` itself where it already is.
 * @param {{ index: number, top: number, view: number, row: number, count: number }} table
 * @returns {number}
 */
export function topOf({ index, top, view, row, count }) {
  const all = count * row;
  const height = Math.min(all, MOST_PIXELS);
  const most = Math.max(0, height - view);
  const scale = height < all && most > 0 ? (all - view) / most : 1;
  const real = Math.min(top, most) * scale;
  if (index * row < real) return (index * row) / scale;
  if ((index + 1) * row > real + view) return ((index + 1) * row - view) / scale;
  return top;
}
