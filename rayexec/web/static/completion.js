/**
 * Suggestions at a place of run config, from the completion tree of the server. Pure and quick:
 * one answer within a frame.
 *
 * @typedef {{label: string, insert: string, kind: "key" | "value" | "env", brief?: string,
 *   detail?: string, doc?: string, isRequired?: boolean, isOpening?: boolean,
 *   hits?: number[]}} Suggestion
 */

/** Most suggestions that one answer has. */
const MOST = 300;

/**
 * Says how well a typed text fits a name: null for not at all; less is better. The letters must
 * come in order; a beginning is best, then the beginning of a word.
 * @param {string} typed @param {string} name
 * @returns {{score: number, hits: number[]} | null}
 */
export function fit(typed, name) {
  if (!typed) return { score: 0, hits: [] };
  const low = typed.toLowerCase();
  const label = name.toLowerCase();
  const start = label.indexOf(low);
  if (start >= 0) {
    const isWord = start === 0 || /[^a-z0-9]/.test(label[start - 1]);
    const hits = Array.from(low, (_, index) => start + index);
    return { score: start === 0 ? (low === label ? 0 : 1) : isWord ? 2 : 3, hits };
  }
  const hits = [];
  let from = 0;
  let gaps = 0;
  for (const letter of low) {
    const at = label.indexOf(letter, from);
    if (at < 0) return null;
    if (hits.length && at > from) gaps += 1;
    hits.push(at);
    from = at + 1;
  }
  return { score: 4 + gaps / 10, hits };
}

/**
 * Returns the suggestions that fit, best first; equals keep their order, required ones first.
 * @param {Suggestion[]} items @param {string} typed @returns {Suggestion[]}
 */
export function ranked(items, typed) {
  const scored = [];
  for (const [index, item] of items.entries()) {
    const found = fit(typed, item.label);
    if (found) scored.push({ item, index, ...found });
  }
  scored.sort((a, b) => a.score - b.score
    || Number(b.item.isRequired ?? false) - Number(a.item.isRequired ?? false)
    || a.index - b.index);
  return scored.slice(0, MOST).map(({ item, hits }) => ({ ...item, hits }));
}
