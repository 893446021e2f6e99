/**
 * Tokens of YAML, line by line. The state at a line's end is a short string, so that the
 * highlighting of a changed line stops where the states agree again.
 *
 * States: "" in block style; "s4" in a block scalar of lines indented deeper than 4; "f[{" in flow
 * style; `q"[` in a string that goes over lines, with the flow style around it.
 *
 * @typedef {{from: number, to: number, type: "key" | "string" | "number" | "word" | "plain" |
 *   "comment" | "punct" | "mark" | "text"}} Token
 */

/** Signs of what may go over the end of a line in block style. */
export const GOES_ON = /["'[{|>]/;
const WORDS = /^(?:true|false|yes|no|on|off|null|~)$/i;
const NUMBER = /^[-+]?(?:0x[\da-f]+|0o[0-7]+|(?:\d[\d_]*)?\.?\d+(?:e[-+]?\d+)?|\.inf|\.nan)$/i;

/** @param {string} line @returns {number} */
export function indentOf(line) {
  let at = 0;
  while (line[at] === " ") at += 1;
  return at;
}

/**
 * Returns the place after a quoted string that begins at `at`, or -1 where the line ends first.
 * @param {string} line @param {number} at of the first character inside @param {string} quote
 * @returns {number}
 */
export function quoteEnd(line, at, quote) {
  for (let i = at; i < line.length; i += 1) {
    if (quote === '"' && line[i] === "\\") i += 1;
    else if (line[i] === quote) {
      if (quote === "'" && line[i + 1] === "'") i += 1;
      else return i + 1;
    }
  }
  return -1;
}

/**
 * Returns the key that begins at a column of a line in block style, with the column of its colon.
 * @param {string} line @param {number} from
 * @returns {{key: string, from: number, to: number, colon: number} | null}
 */
export function keyAt(line, from) {
  const quote = line[from];
  if (quote === '"' || quote === "'") {
    const end = quoteEnd(line, from + 1, quote);
    if (end < 0) return null;
    let colon = end;
    while (line[colon] === " ") colon += 1;
    if (line[colon] !== ":" || !isGap(line, colon + 1)) return null;
    return { key: line.slice(from + 1, end - 1), from, to: end, colon };
  }
  if (from >= line.length || "[]{},#&*!|>%@`".includes(line[from])) return null;
  for (let i = from; i < line.length; i += 1) {
    if (line[i] === ":" && isGap(line, i + 1)) {
      const key = line.slice(from, i).trimEnd();
      return key ? { key, from, to: from + key.length, colon: i } : null;
    }
    if (line[i] === "#" && line[i - 1] === " ") return null;
  }
  return null;
}

/** @param {string} line @param {number} at @returns {boolean} */
export function isGap(line, at) {
  return at >= line.length || line[at] === " " || line[at] === "\t";
}

/**
 * Returns a line's tokens and the state after it.
 * @param {string} line @param {string} state @returns {{tokens: Token[], state: string}}
 */
export function tokensOf(line, state) {
  /** @type {Token[]} */
  const tokens = [];
  let at = 0;
  if (state[0] === "s") {
    const indent = Number(state.slice(1));
    if (!line.trim() || indentOf(line) > indent) {
      if (line.trim()) tokens.push({ from: 0, to: line.length, type: "string" });
      return { tokens, state };
    }
    state = "";
  }
  let flow = state[0] === "f" ? state.slice(1) : "";
  if (state[0] === "q") {
    const quote = state[1];
    flow = state.slice(2);
    const end = quoteEnd(line, 0, quote);
    tokens.push({ from: 0, to: end < 0 ? line.length : end, type: "string" });
    if (end < 0) return { tokens, state };
    at = end;
  }
  let next = "";
  const indent = indentOf(line);
  let deep = indent;
  if (at === 0 && /^(?:---|\.\.\.)(?:\s|$)/.test(line)) {
    tokens.push({ from: 0, to: 3, type: "mark" });
    at = 3;
  }
  let isStart = !flow && at === 0;
  while (at < line.length) {
    const char = line[at];
    if (char === " " || char === "\t") {
      at += 1;
    } else if (char === "#" && (at === 0 || /\s/.test(line[at - 1]))) {
      tokens.push({ from: at, to: line.length, type: "comment" });
      break;
    } else if (isStart && char === "-" && isGap(line, at + 1)) {
      tokens.push({ from: at, to: at + 1, type: "punct" });
      deep = at;
      at += 1;
    } else if (isStart && keyAt(line, at)) {
      const key = /** @type {{from: number, to: number, colon: number}} */ (keyAt(line, at));
      tokens.push({ from: key.from, to: key.to, type: "key" });
      tokens.push({ from: key.colon, to: key.colon + 1, type: "punct" });
      deep = at;
      at = key.colon + 1;
      isStart = false;
    } else if (char === "&" || char === "*" || char === "!") {
      const end = wordEnd(line, at, flow);
      tokens.push({ from: at, to: end, type: "mark" });
      at = end;
    } else if (!flow && (char === "|" || char === ">") && /^[|>][-+\d]*\s*(?:#|$)/.test(
      line.slice(at),
    )) {
      const end = wordEnd(line, at, flow);
      tokens.push({ from: at, to: end, type: "mark" });
      next = `s${deep}`;
      at = end;
    } else if (char === '"' || char === "'") {
      const end = quoteEnd(line, at + 1, char);
      const isKey = flow.endsWith("{") && end > 0 && /^\s*:/.test(line.slice(end));
      tokens.push({ from: at, to: end < 0 ? line.length : end, type: isKey ? "key" : "string" });
      if (end < 0) return { tokens, state: `q${char}${flow}` };
      at = end;
      isStart = false;
    } else if ("[]{},".includes(char) && (flow || char === "[" || char === "{")) {
      if (char === "[" || char === "{") flow += char;
      else if (char !== ",") flow = flow.slice(0, -1);
      tokens.push({ from: at, to: at + 1, type: "punct" });
      at += 1;
      isStart = false;
    } else {
      const end = plainEnd(line, at, flow);
      const text = line.slice(at, end).trimEnd();
      const isKey = flow.endsWith("{") && line[end] === ":";
      tokens.push({
        from: at,
        to: at + text.length,
        type: isKey ? "key" : WORDS.test(text) ? "word" : NUMBER.test(text) ? "number" : "plain",
      });
      at = Math.max(end, at + 1);
      if (flow && line[end] === ":") {
        tokens.push({ from: end, to: end + 1, type: "punct" });
        at = end + 1;
      }
      isStart = false;
    }
  }
  return { tokens, state: flow ? `f${flow}` : next };
}

/** @param {string} line @param {number} at @param {string} flow @returns {number} */
function wordEnd(line, at, flow) {
  let end = at;
  while (end < line.length && !/\s/.test(line[end]) && !(flow && ",[]{}".includes(line[end]))) {
    end += 1;
  }
  return end;
}

/**
 * Returns the end of a plain scalar.
 * @param {string} line @param {number} at @param {string} flow @returns {number}
 */
export function plainEnd(line, at, flow) {
  for (let i = at; i < line.length; i += 1) {
    if (line[i] === "#" && i > at && /\s/.test(line[i - 1])) return i;
    if (flow && ",[]{}".includes(line[i])) return i;
    if (flow && line[i] === ":" && (isGap(line, i + 1) || ",[]{}".includes(line[i + 1]))) return i;
  }
  return line.length;
}
