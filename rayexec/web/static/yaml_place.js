/**
 * The place of a caret in a YAML document: its path, whether a key or a value belongs there, what
 * is typed of it, and which keys its map has. Works on text that is half written.
 *
 * @typedef {(string | number)[]} Path
 * @typedef {{indent: number, kind: "map" | "seq" | "flowmap" | "flowseq",
 *   key: string | null, index: number, keys: string[], hasValue: boolean}} Frame
 * @typedef {{
 *   slot: "key" | "value" | "none",
 *   path: Path,
 *   prefix: string,
 *   from: number,
 *   to: number,
 *   indent: number,
 *   keys: string[],
 *   isFlow: boolean,
 *   isItem: boolean,
 *   hasColon: boolean,
 *   needsSpace: boolean,
 *   isLineEmpty: boolean,
 *   quote: string,
 * }} Place
 */
import { GOES_ON, indentOf, isGap, keyAt, plainEnd, quoteEnd, tokensOf } from "./yaml_tokens.js";

/**
 * Returns the place of an offset. For "key" the path is that of the map around it; for "value" it
 * ends with the value's own key or index.
 * @param {string} text @param {number} offset @returns {Place}
 */
export function placeAt(text, offset) {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const endAt = text.indexOf("\n", offset);
  const line = text.slice(start, endAt < 0 ? text.length : endAt);
  const before = line.slice(0, offset - start);
  const walker = new Walker();
  if (start > 0) for (const one of text.slice(0, start - 1).split("\n")) walker.line(one);
  const place = inLine(walker, line, before, start);
  if (place.slot === "key" && !place.isFlow) {
    place.keys.push(...keysBelow(text, endAt, place.indent));
  }
  return place;
}

/**
 * Returns the path of the key or value at an offset, for its documentation; null over nothing.
 * @param {string} text @param {number} offset
 * @returns {{path: Path, from: number, to: number} | null}
 */
export function pathAt(text, offset) {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const endAt = text.indexOf("\n", offset);
  const line = text.slice(start, endAt < 0 ? text.length : endAt);
  const column = offset - start;
  const walker = new Walker();
  if (start > 0) for (const one of text.slice(0, start - 1).split("\n")) walker.line(one);
  const { tokens } = tokensOf(line, walker.state);
  const token = tokens.find((one) => column >= one.from && column < one.to);
  if (!token || token.type === "comment" || token.type === "punct") return null;
  const inside = walker.state[0] === "s" || walker.state[0] === "q";
  if (!inside) walker.line(line.slice(0, token.to) + (token.type === "key" ? ":" : ""));
  return { path: pathOf(walker.frames), from: start + token.from, to: start + token.to };
}

/**
 * Returns the line and columns, from 1, of a dotted path, or of the nearest path around it; null
 * where nothing of it is there.
 * @param {string} text @param {string} path
 * @returns {{line: number, column: number, end_line: number, end_column: number} | null}
 */
export function lineOf(text, path) {
  const walker = new Walker();
  let best = null;
  let most = 0;
  for (const [index, line] of text.split("\n").entries()) {
    if (!line.trim()) continue;
    walker.line(line);
    const here = pathOf(walker.frames).join(".");
    if (here.length <= most || (here !== path && !path.startsWith(`${here}.`))) continue;
    most = here.length;
    const [column, end] = [indentOf(line) + 1, line.trimEnd().length + 1];
    best = { line: index + 1, column, end_line: index + 1, end_column: end };
    if (here === path) break;
  }
  return best;
}

/** @param {Frame[]} frames @returns {Path} */
function pathOf(frames) {
  return frames.flatMap((frame) => /** @type {Path} */ (
    frame.kind === "seq" || frame.kind === "flowseq" ? [frame.index]
      : frame.key === null ? [] : [frame.key]
  ));
}

/** Follows a document line by line, and knows the maps and lists around its end. */
class Walker {
  constructor() {
    /** @type {Frame[]} */
    this.frames = [];
    this.state = "";
  }

  /** @param {string} line */
  line(line) {
    const state = this.state;
    // Most lines have nothing that goes over their end, so they need no tokens.
    if (state || GOES_ON.test(line)) this.state = tokensOf(line, state).state;
    if (state[0] === "s" && (!line.trim() || indentOf(line) > Number(state.slice(1)))) return;
    if (state[0] === "f" || state[0] === "q") {
      const at = state[0] === "q" ? quoteEnd(line, 0, state[1]) : 0;
      if (at >= 0) this.flow(line, at);
      return;
    }
    if (/^(?:---|\.\.\.)(?:\s|$)/.test(line)) {
      this.frames = [];
      return;
    }
    this.block(line, indentOf(line));
  }

  /** @param {string} line @param {number} at */
  block(line, at) {
    if (at >= line.length || line[at] === "#") return;
    if (line[at] === "-" && isGap(line, at + 1)) {
      this.dash(at);
      let next = at + 1;
      while (line[next] === " ") next += 1;
      this.block(line, next);
      return;
    }
    const key = keyAt(line, at);
    if (key) {
      this.key(at, key.key);
      this.value(line, key.colon + 1);
    } else this.value(line, at);
  }

  /** @param {number} at */
  dash(at) {
    this.leave((frame) => frame.indent > at);
    const top = this.frames[this.frames.length - 1];
    if (top?.kind === "seq" && top.indent === at) top.index += 1;
    else this.frames.push(frameOf(at, "seq"));
  }

  /** @param {number} at @param {string} key */
  key(at, key) {
    this.leave((frame) => frame.indent > at || (frame.kind === "seq" && frame.indent === at));
    let top = this.frames[this.frames.length - 1];
    if (top?.kind !== "map" || top.indent !== at) {
      top = frameOf(at, "map");
      this.frames.push(top);
    }
    top.key = key;
    top.keys.push(key);
    top.hasValue = false;
  }

  /** @param {(frame: Frame) => boolean} isLeft */
  leave(isLeft) {
    while (this.frames.length && isLeft(this.frames[this.frames.length - 1])) this.frames.pop();
  }

  /** @param {string} line @param {number} from */
  value(line, from) {
    let at = from;
    while (at < line.length && (isGap(line, at) || line[at] === "&" || line[at] === "!")) {
      if (isGap(line, at)) at += 1;
      else while (!isGap(line, at)) at += 1;
    }
    if (at >= line.length || line[at] === "#") return;
    const top = this.frames[this.frames.length - 1];
    if (top) top.hasValue = true;
    if (line[at] === "[" || line[at] === "{") this.flow(line, at);
  }

  /**
   * Follows flow style, and leaves the frames that are open at the line's end.
   * @param {string} line @param {number} from
   */
  flow(line, from) {
    let last = "";
    for (let at = from; at < line.length;) {
      const char = line[at];
      const top = this.frames[this.frames.length - 1];
      if (char === "{" || char === "[") {
        this.frames.push(frameOf(Infinity, char === "{" ? "flowmap" : "flowseq"));
        last = "";
        at += 1;
      } else if (char === "}" || char === "]") {
        if (top?.indent === Infinity) this.frames.pop();
        if (this.frames[this.frames.length - 1]?.indent !== Infinity) return;
        at += 1;
      } else if (char === ",") {
        if (top?.kind === "flowseq") top.index += 1;
        else if (top) top.key = null;
        last = "";
        at += 1;
      } else if (char === ":" && top?.kind === "flowmap") {
        top.key = last;
        top.keys.push(last);
        at += 1;
      } else if (char === '"' || char === "'") {
        const end = quoteEnd(line, at + 1, char);
        if (end < 0) return;
        last = line.slice(at + 1, end - 1);
        at = end;
      } else if (char === "#" && (at === 0 || isGap(line, at - 1))) {
        return;
      } else if (isGap(line, at)) {
        at += 1;
      } else {
        const end = Math.max(at + 1, plainEnd(line, at, "{"));
        last = line.slice(at, end).trim();
        at = end;
      }
    }
  }
}

/** @param {number} indent @param {Frame["kind"]} kind @returns {Frame} */
function frameOf(indent, kind) {
  return { indent, kind, key: null, index: 0, keys: [], hasValue: false };
}

/**
 * @param {Walker} walker @param {string} line @param {string} before @param {number} start
 * @returns {Place}
 */
function inLine(walker, line, before, start) {
  const offset = start + before.length;
  /** @type {Place} */
  const none = {
    slot: "none", path: [], prefix: "", from: offset, to: offset, indent: indentOf(before),
    keys: [], isFlow: false, isItem: false, hasColon: false, needsSpace: false,
    isLineEmpty: !line.trim(), quote: "",
  };
  const { state } = walker;
  const isText = state[0] === "q" || (state[0] === "s"
    && (line.trim() ? indentOf(line) : before.length) > Number(state.slice(1)));
  if (isText) return none;
  const { tokens, state: after } = tokensOf(before, state);
  if (tokens.some((token) => token.type === "comment")) return none;
  if (state[0] === "f" || after[0] === "f" || (after[0] === "q" && after.length > 2)) {
    return inFlow(walker, line, before, start, none);
  }
  let at = indentOf(before);
  while (before[at] === "-" && isGap(before, at + 1) && at + 1 < before.length) {
    walker.dash(at);
    at += 1;
    while (before[at] === " ") at += 1;
    none.isItem = true;
  }
  const key = keyAt(before, at);
  if (key) {
    walker.key(at, key.key);
    const path = pathOf(walker.frames);
    const valueAt = key.colon + 1;
    let from = valueAt;
    while (before[from] === " ") from += 1;
    if (/^[&!|>]/.test(before.slice(from))) return none;
    return {
      ...none, ...word(line, before, from, start), slot: "value", path, indent: at,
      needsSpace: before.length === valueAt,
    };
  }
  if (/^[&*!|>%@`]/.test(before.slice(at))) return none;
  walker.leave((frame) => frame.indent > at);
  let top = walker.frames[walker.frames.length - 1];
  if (top?.kind === "seq" && top.indent === at && !none.isItem) {
    walker.frames.pop();
    top = walker.frames[walker.frames.length - 1];
  }
  const isSibling = top?.kind === "map" && top.indent === at;
  if (top && !isSibling && top.hasValue && top.kind === "map") return none;
  const keys = isSibling ? [...top.keys] : [];
  if (isSibling) top.key = null;
  const end = keyAt(line, at);
  const typed = word(line, before, at, start);
  return {
    ...none,
    ...typed,
    slot: "key",
    path: pathOf(walker.frames),
    indent: at,
    keys,
    hasColon: end !== null,
    to: end ? start + end.to - (typed.quote ? 1 : 0) : typed.to,
  };
}

/**
 * @param {Walker} walker @param {string} line @param {string} before @param {number} start
 * @param {Place} none @returns {Place}
 */
function inFlow(walker, line, before, start, none) {
  // The word under the caret is no part of what is before it.
  let from = before.length;
  const open = tokensOf(before, walker.state).state;
  if (open[0] === "q") {
    while (from > 0 && before[from - 1] !== open[1]) from -= 1;
    from -= 1;
  } else while (from > 0 && !/[\s,[\]{}]/.test(before[from - 1])) from -= 1;
  walker.line(before.slice(0, from));
  const frame = walker.frames[walker.frames.length - 1];
  if (!frame) return none;
  const isKey = frame.kind === "flowmap" && frame.key === null;
  const typed = word(line, before, from, start);
  const rest = line.slice(typed.to - start);
  return {
    ...none,
    ...typed,
    slot: isKey ? "key" : "value",
    path: pathOf(walker.frames),
    keys: isKey ? [...frame.keys] : [],
    isFlow: true,
    isItem: frame.kind === "flowseq",
    hasColon: /^["']?\s*:/.test(rest),
  };
}

/**
 * Returns what is typed of a word before the caret, and where the word ends after it.
 * @param {string} line @param {string} before @param {number} from @param {number} start
 * @returns {{prefix: string, from: number, to: number, quote: string}}
 */
function word(line, before, from, start) {
  const quote = before[from] === '"' || before[from] === "'" ? before[from] : "";
  const begin = from + quote.length;
  let to = before.length;
  if (quote) {
    const end = quoteEnd(line, begin, quote);
    to = end < 0 ? line.length : end - 1;
    if (to < before.length) to = before.length;
  } else while (to < line.length && !/[\s,:#[\]{}]/.test(line[to])) to += 1;
  return { prefix: before.slice(begin), from: start + begin, to: start + to, quote };
}

/**
 * Returns the keys of the caret's map in the lines below it.
 * @param {string} text @param {number} from end of the caret's line, -1 for none
 * @param {number} indent @returns {string[]}
 */
function keysBelow(text, from, indent) {
  const keys = [];
  for (let at = from; at >= 0 && at < text.length;) {
    const next = text.indexOf("\n", at + 1);
    const line = text.slice(at + 1, next < 0 ? text.length : next);
    at = next;
    const deep = indentOf(line);
    if (deep > indent || deep === line.length || line[deep] === "#") continue;
    if (deep < indent) break;
    const key = keyAt(line, deep);
    if (key) keys.push(key.key);
    else if (line[deep] !== "-") break;
  }
  return keys;
}
