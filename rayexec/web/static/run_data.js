/**
 * The attempts of one run as they come: loaded from the server, then kept up to date.
 */

import { ApiError, binary, get } from "./api.js";
import { AttemptColumns, decodeRows } from "./attempt_columns.js";
import { have, watch } from "./live.js";

/** @import { LiveMessage, Now } from "./types.js" */

/** Answers with fewer attempts than this are the last ones for the moment. */
const LARGE_ANSWER = 100_000;
const MOST_KEYS = 5_000;
const MOST_KEYS_ASKED = 200;

/**
 * @typedef {object} RunListener
 * @property {(change: {moved: boolean}) => void} [onRows]
 * @property {(now: Now) => void} [onNow]
 * @property {(light: any) => void} [onRun]
 * @property {(lines: any[]) => void} [onLines]
 * @property {(message: string) => void} [onGone] the run is no longer in the run store
 */

export class RunData {
  /**
   * @param {string} id
   * @param {AbortSignal} signal
   */
  constructor(id, signal) {
    this.id = id;
    this.signal = signal;
    this.columns = new AttemptColumns();
    this.isLoaded = false;
    /** @type {Set<RunListener>} */
    this.listeners = new Set();
    /** @type {Map<number, string>} */
    this.keys = new Map();
    /** @type {Map<number, {promise: Promise<string>, resolve: (key: string) => void,
     *   reject: (error: unknown) => void}>} */
    this.asked = new Map();
    /** @type {Promise<void> | null} */
    this.loading = null;
    /** @type {Now | null} */
    this.now = null;
  }

  /** Topic of this run in the live channel. */
  get topic() {
    return `run/${this.id}`;
  }

  /**
   * @param {RunListener} listener
   * @param {AbortSignal} signal
   */
  listen(listener, signal) {
    this.listeners.add(listener);
    signal.addEventListener("abort", () => this.listeners.delete(listener));
  }

  /**
   * Load the attempts that are not here yet.
   * @returns {Promise<void>}
   */
  load() {
    this.loading ??= this.#load().finally(() => {
      this.loading = null;
    });
    return this.loading;
  }

  async #load() {
    for (;;) {
      const buffer = await binary(`api/runs/${this.id}/rows`, { from: this.columns.next },
        this.signal);
      // A run that was launched just now has recorded nothing.
      if (!buffer.byteLength) break;
      const rows = decodeRows(buffer);
      this.#append(rows);
      if (rows.head.is_over || rows.head.n < LARGE_ANSWER) break;
    }
    this.isLoaded = true;
    have(this.topic, this.columns.next);
  }

  /** @param {import("./attempt_columns.js").Rows} rows */
  #append(rows) {
    const change = this.columns.append(rows);
    if (!change) return false;
    for (const each of this.listeners) each.onRows?.({ moved: change.moved });
    return true;
  }

  /** Watch the run until the page or the run ends. */
  watch() {
    watch(this.topic, {
      onMessage: (message) => this.#hear(message),
      onRows: (buffer) => {
        // A run that was not recorded yet had no rows to load.
        if (!this.isLoaded) void this.load().catch(() => {});
        else if (!this.#append(decodeRows(buffer))) void this.load().catch(() => {});
      },
      poll: async () => {
        await this.load();
        const now = await get(`api/runs/${this.id}/now`, {}, this.signal).catch((error) => {
          if (error instanceof ApiError && error.status === 404) return null;
          throw error;
        });
        if (now) this.#hear({ topic: this.topic, kind: "now", data: now });
        else this.#hear({ topic: this.topic, kind: "run", data: null });
      },
    }, this.signal);
  }

  /** @param {LiveMessage} message */
  #hear({ kind, data }) {
    if (kind === "now") this.now = data;
    for (const each of this.listeners) {
      if (kind === "now") each.onNow?.(data);
      else if (kind === "run") each.onRun?.(data);
      else if (kind === "lines") each.onLines?.(data.lines ?? data);
      else if (kind === "gone") each.onGone?.(data.error);
    }
  }

  /**
   * Return the key of a step; keys asked for at once come in one answer.
   * @param {number} step
   * @returns {Promise<string>}
   */
  keyOf(step) {
    const known = this.keys.get(step);
    if (known !== undefined) return Promise.resolve(known);
    const asked = this.asked.get(step);
    if (asked) return asked.promise;
    if (!this.asked.size) setTimeout(() => void this.#askKeys(), 40);
    /** @type {(key: string) => void} */
    let resolve = () => {};
    /** @type {(error: unknown) => void} */
    let reject = () => {};
    /** @type {Promise<string>} */
    const promise = new Promise((done, failed) => {
      resolve = done;
      reject = failed;
    });
    this.asked.set(step, { promise, resolve, reject });
    return promise;
  }

  async #askKeys() {
    const asked = new Map([...this.asked].slice(0, MOST_KEYS_ASKED));
    for (const step of asked.keys()) this.asked.delete(step);
    if (this.asked.size) setTimeout(() => void this.#askKeys(), 0);
    try {
      const steps = [...asked.keys()].join(",");
      const { keys } = await get(`api/runs/${this.id}/keys`, { steps }, this.signal);
      if (this.keys.size > MOST_KEYS) this.keys.clear();
      for (const [step, { resolve, reject }] of asked) {
        const key = keys[step];
        if (key === undefined) reject(new Error(`step ${step} has no key`));
        else {
          this.keys.set(step, key);
          resolve(key);
        }
      }
    } catch (error) {
      for (const { reject } of asked.values()) reject(error);
    }
  }
}
