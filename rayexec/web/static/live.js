/**
 * The live channel: one WebSocket for all that the page watches; without one, pages poll.
 */

import { base } from "./api.js";

/** @import { LiveMessage } from "./types.js" */

/**
 * What a page does with messages of a topic. `onRows` gets binary ones. `poll` is called each
 * second while no WebSocket passes, and once after an interruption: it asks for what was missed.
 * @typedef {{
 *   onMessage: (message: LiveMessage) => void,
 *   onRows?: (buffer: ArrayBuffer) => void,
 *   poll?: () => void | Promise<void>,
 * }} Watcher
 */

/**
 * Lines of a run's log to send as they come; `from` is the first one, else the next one.
 * @typedef {{ step?: string | null, kind?: string | null, text?: string | null,
 *   level?: string | null, from?: number }} Following
 */

/** @typedef {"connecting" | "live" | "reconnecting" | "polling"} ConnectionState */

const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 10_000;
const POLL_MS = 1_000;
/** Attempts without any connection, after which pages poll. */
const ATTEMPTS_BEFORE_POLLING = 3;

/**
 * The state of the connection; it sends the event "change".
 */
class Connection extends EventTarget {
  /** @type {ConnectionState} */
  state = "connecting";
  /** When the last message came, in seconds since 1970. */
  asOf = Date.now() / 1000;

  /** @param {ConnectionState} state */
  set(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

export const connection = new Connection();

/** @type {Map<string, Set<Watcher>>} */
const watchers = new Map();
/** @type {Map<string, number>} */
const rowsHad = new Map();
/** @type {Map<string, Following | null>} */
const followed = new Map();
/** Topics with a position, or with lines to follow, that the server does not know of yet. */
const unsaid = { have: new Set(), follow: new Set() };
/** @type {WebSocket | null} */
let socket = null;
let failures = 0;
let wasLive = false;
let isPlanned = false;
/** @type {number | undefined} */
let timer;
/** @type {number | undefined} */
let pollTimer;

/**
 * Watch a topic ("jobs", "runs", "run/ID", "cluster", "cache") until the signal ends it.
 * @param {string} topic
 * @param {Watcher} watcher
 * @param {AbortSignal} signal
 */
export function watch(topic, watcher, signal) {
  if (signal.aborted) return;
  const all = watchers.get(topic) ?? new Set();
  all.add(watcher);
  watchers.set(topic, all);
  signal.addEventListener("abort", () => {
    all.delete(watcher);
    if (!all.size) {
      watchers.delete(topic);
      rowsHad.delete(topic);
      followed.delete(topic);
    }
    plan();
  });
  plan();
}

/**
 * Tell how many attempts of a run the page has; the channel sends those after them, and keeps
 * count of what it sends.
 * @param {string} topic "run/ID"
 * @param {number} row
 */
export function have(topic, row) {
  if (rowsHad.get(topic) === row) return;
  rowsHad.set(topic, row);
  unsaid.have.add(topic);
  plan();
}

/**
 * Follow new log lines of a watched run; null ends it.
 * @param {string} topic "run/ID"
 * @param {Following | null} what
 */
export function follow(topic, what) {
  followed.set(topic, what);
  unsaid.follow.add(topic);
  plan();
}

/** Say at the end of this turn what is watched; opens the channel where it is closed. */
function plan() {
  if (isPlanned) return;
  isPlanned = true;
  queueMicrotask(() => {
    isPlanned = false;
    if (!socket) connect();
    else if (socket.readyState === WebSocket.OPEN) say();
  });
}

/** Say what is watched, and positions that are new: an old one would send its rows again. */
function say() {
  socket?.send(
    JSON.stringify({
      watch: [...watchers.keys()],
      have: taken(rowsHad, unsaid.have),
      follow: taken(followed, unsaid.follow),
    }),
  );
}

/**
 * Take what is unsaid of watched topics. The server hears of no others, so they wait: a page may
 * have its first rows before it watches.
 * @template T
 * @param {Map<string, T>} all
 * @param {Set<string>} names
 * @returns {Record<string, T>}
 */
function taken(all, names) {
  const said = [...all].filter(([name]) => names.has(name) && watchers.has(name));
  for (const [name] of said) names.delete(name);
  return Object.fromEntries(said);
}

function connect() {
  clearTimeout(timer);
  const address = new URL(`${base()}api/live`, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const own = new WebSocket(address);
  own.binaryType = "arraybuffer";
  socket = own;
  own.addEventListener("open", () => {
    const isBack = wasLive || connection.state === "polling";
    failures = 0;
    wasLive = true;
    stopPolling();
    connection.asOf = Date.now() / 1000;
    connection.set("live");
    for (const topic of rowsHad.keys()) unsaid.have.add(topic);
    for (const topic of followed.keys()) unsaid.follow.add(topic);
    say();
    if (isBack) void askAll();
  });
  own.addEventListener("message", ({ data }) => hear(data));
  own.addEventListener("close", () => {
    if (socket !== own) return;
    socket = null;
    failures += 1;
    const isRefused = !wasLive && failures >= ATTEMPTS_BEFORE_POLLING;
    connection.set(isRefused || pollTimer ? "polling" : wasLive ? "reconnecting" : "connecting");
    if (isRefused) poll();
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 6));
    timer = setTimeout(connect, delay);
  });
}

/** @param {string | ArrayBuffer} data */
function hear(data) {
  connection.asOf = Date.now() / 1000;
  if (typeof data !== "string") {
    const { topic, to } = headOf(data);
    if (rowsHad.has(topic)) rowsHad.set(topic, to);
    for (const watcher of watchers.get(topic) ?? []) watcher.onRows?.(data);
    return;
  }
  /** @type {LiveMessage} */
  const message = JSON.parse(data);
  for (const watcher of watchers.get(message.topic) ?? []) watcher.onMessage(message);
}

/**
 * Return the head of a binary message.
 * @param {ArrayBuffer} buffer
 * @returns {{ topic: string, to: number }}
 */
function headOf(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  return JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
}

/** Ask all pages' questions again: what they show may have changed meanwhile. */
async function askAll() {
  for (const all of [...watchers.values()]) {
    for (const watcher of [...all]) {
      try {
        await watcher.poll?.();
        connection.asOf = Date.now() / 1000;
      } catch {
        // The next poll asks again.
      }
    }
  }
}

function poll() {
  if (pollTimer) return;
  const next = async () => {
    if (document.visibilityState === "visible") await askAll();
    if (pollTimer) pollTimer = setTimeout(next, POLL_MS);
  };
  pollTimer = setTimeout(next, 0);
}

function stopPolling() {
  clearTimeout(pollTimer);
  pollTimer = undefined;
}

/** A tab that wakes up, or a machine that is online again, does not wait for its next attempt. */
function wake() {
  if (!socket && watchers.size && document.visibilityState === "visible") connect();
}

if (typeof document !== "undefined") {
  document.addEventListener("visibilitychange", wake);
  addEventListener("online", wake);
  addEventListener("pagehide", () => {
    const own = socket;
    socket = null;
    clearTimeout(timer);
    own?.close();
  });
  addEventListener("pageshow", (event) => event.persisted && connect());
}
