/**
 * The look of one node as data: texts, colours and bars that both painters and the list show.
 *
 * @typedef {import("./graph_walk.js").LayoutNode} LayoutNode
 * @typedef {{counts?: Record<string, number>, total?: number | null, note?: string}} Mark
 * @typedef {{title: string, sub: string, bars: {state: string, share: number}[],
 *   isStack: boolean, tone: string}} Face
 */

/** States in the order of bars; the value is the colour's token. */
const TONES = /** @type {Record<string, string>} */ ({
  failed: "--failed",
  running: "--running",
  retrying: "--retried",
  waiting: "--waiting",
  success: "--ok",
  succeeded: "--ok",
  reused: "--ok",
  skipped: "--skipped",
  canceled: "--canceled",
});
const DONE = new Set(["success", "succeeded", "reused"]);
const ORDER = Object.keys(TONES);

/** @param {string} state @returns {string} */
export function tone(state) {
  return TONES[state.toLowerCase()] ?? "--muted";
}

/** @param {number} n @returns {string} */
function grouped(n) {
  return n.toLocaleString("en-US");
}

/**
 * Says counts by state in words: "3,120/10,000, 2 failed".
 * @param {Mark} mark @returns {string}
 */
export function countsInWords(mark) {
  const counts = mark.counts ?? {};
  const sum = Object.values(counts).reduce((all, n) => all + n, 0);
  const total = mark.total ?? sum;
  let done = 0;
  const rest = [];
  for (const state of sorted(counts)) {
    if (DONE.has(state.toLowerCase())) done += counts[state];
    else if (counts[state]) rest.push(`${grouped(counts[state])} ${state.toLowerCase()}`);
  }
  if (total === 1 && sum === 1) return done ? "done" : (rest[0] ?? "").replace("1 ", "");
  return [`${grouped(done)}/${grouped(total)}`, ...rest].join(", ");
}

/** @param {Record<string, number>} counts @returns {string[]} */
function sorted(counts) {
  /** @param {string} state */
  const rank = (state) => {
    const at = ORDER.indexOf(state.toLowerCase());
    return at < 0 ? ORDER.length : at;
  };
  return Object.keys(counts).sort((a, b) => rank(a) - rank(b));
}

/** @param {LayoutNode} node @param {Mark | null | undefined} mark @returns {Face} */
export function faceOf(node, mark) {
  const bars = [];
  let toned = "--line";
  if (mark?.counts) {
    const sum = Object.values(mark.counts).reduce((all, n) => all + n, 0);
    const total = Math.max(1, mark.total ?? sum, sum);
    for (const state of sorted(mark.counts)) {
      const n = mark.counts[state];
      if (!n) continue;
      bars.push({ state, share: n / total });
      if (toned === "--line" || tone(state) === "--failed") toned = tone(state);
    }
  }
  const isGraph = node.kind !== "op";
  const sign = isGraph ? (node.is_open ? "▾ " : "▸ ") : "";
  const kind = isGraph ? [`${grouped(node.inner)} ${node.inner === 1 ? "op" : "ops"}`] : [];
  const said = mark?.counts ? [countsInWords(mark)] : kind;
  return {
    title: `${sign}${node.label}${node.is_mapped && !node.label.endsWith("[?]") ? "[?]" : ""}`,
    sub: [...said, ...(mark?.note ? [mark.note] : []), ...node.marks].join(" · "),
    bars,
    isStack: node.is_mapped || (isGraph && !node.is_open),
    tone: toned,
  };
}

/**
 * Says a node and its links in one sentence, for the list and for screen readers.
 * @param {LayoutNode} node @param {Mark | null | undefined} mark
 * @param {string[]} from @param {string[]} to @returns {string}
 */
export function inWords(node, mark, from, to) {
  const parts = [node.label];
  if (node.kind !== "op") {
    const state = node.is_open ? "open" : "folded";
    parts.push(`${node.kind} of ${node.inner} ops, ${state}`);
  }
  if (node.is_mapped) parts.push("once for each dynamic output");
  if (mark?.counts) parts.push(countsInWords(mark));
  if (mark?.note) parts.push(mark.note);
  parts.push(...node.marks);
  if (from.length) parts.push(`after ${some(from)}`);
  if (to.length) parts.push(`before ${some(to)}`);
  return parts.join(", ");
}

/** @param {string[]} ids @returns {string} */
function some(ids) {
  const shown = ids.slice(0, 4).join(" and ");
  return ids.length > 4 ? `${shown} and ${ids.length - 4} more` : shown;
}

const measured = new Map();
/** @type {CanvasRenderingContext2D | null} */
let ruler = null;

/**
 * Cuts a text to a width in pixels, with an ellipsis.
 * @param {string} text @param {number} width @param {string} font @returns {string}
 */
export function cut(text, width, font) {
  const key = `${font}|${Math.round(width)}|${text}`;
  const before = measured.get(key);
  if (before !== undefined) return before;
  ruler ??= document.createElement("canvas").getContext("2d");
  let short = text;
  if (ruler) {
    ruler.font = font;
    const whole = ruler.measureText(text).width;
    if (whole > width) {
      let most = Math.floor(text.length * (width / whole));
      while (most > 1 && ruler.measureText(`${text.slice(0, most)}…`).width > width) most -= 1;
      short = `${text.slice(0, most)}…`;
    }
  }
  if (measured.size > 20_000) measured.clear();
  measured.set(key, short);
  return short;
}

/**
 * Returns the curve of an edge as SVG path data.
 * @param {[number, number][]} points @returns {string}
 */
export function curve(points) {
  const [head, ...rest] = points;
  let path = `M${head[0]},${head[1]}`;
  let [x, y] = head;
  for (const [nx, ny] of rest) {
    const half = (y + ny) / 2;
    path += x === nx ? `L${nx},${ny}` : `C${x},${half} ${nx},${half} ${nx},${ny}`;
    [x, y] = [nx, ny];
  }
  return path;
}
