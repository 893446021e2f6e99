/**
 * Requests of the JSON API, by paths relative to the base path, such as "api/runs".
 */

/** @import { Jobs, Problem, Session } from "./types.js" */

/** @typedef {Record<string, string | number | boolean | string[] | null | undefined>} Params */

/** Of the questions of this tab that still wait at the server, a newer one replaces an older. */
const TAB = [...crypto.getRandomValues(new Uint32Array(2))].map((n) => n.toString(36)).join("");

/** An answer that says what is wrong, or no answer at all (then `status` is 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {Problem[]} [problems]
   */
  constructor(status, message, problems = []) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.problems = problems;
  }
}

/** Return the base path of the pages, with a slash at both ends. */
export function base() {
  const meta = document.querySelector('meta[name="rayexec-base"]');
  const path = meta?.getAttribute("content") ?? "/";
  return path.endsWith("/") ? path : `${path}/`;
}

/**
 * Return the address of a path; parameters that are nothing are left out.
 * @param {string} path
 * @param {Params} [params]
 * @returns {string}
 */
export function url(path, params = {}) {
  const query = queryText(params);
  return base() + path.replace(/^\/+/, "") + (query && `?${query}`);
}

/**
 * Return parameters as the text of a query; lists repeat their name.
 * @param {Params} params
 * @returns {string}
 */
export function queryText(params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === "" || value === false) continue;
    for (const item of Array.isArray(value) ? value : [value]) query.append(name, String(item));
  }
  return query.toString();
}

/**
 * Get a document.
 * @template [T=any]
 * @param {string} path
 * @param {Params} [params]
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function get(path, params, signal) {
  return (await answer(url(path, params), { signal })).json();
}

/**
 * Get a binary answer.
 * @param {string} path
 * @param {Params} [params]
 * @param {AbortSignal} [signal]
 * @returns {Promise<ArrayBuffer>}
 */
export async function binary(path, params, signal) {
  return (await answer(url(path, params), { signal })).arrayBuffer();
}

/**
 * Post a document.
 * @template [T=any]
 * @param {string} path
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function post(path, body = {}, signal) {
  return change("POST", path, body, signal);
}

/**
 * Delete something.
 * @template [T=any]
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<T>}
 */
export async function remove(path, body = {}) {
  return change("DELETE", path, body);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} body
 * @param {AbortSignal} [signal]
 */
async function change(method, path, body, signal) {
  const response = await answer(url(path), {
    method,
    signal,
    headers: { "Content-Type": "application/json", "X-Rayexec": "1", "X-Rayexec-Tab": TAB },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/**
 * @param {string} address
 * @param {RequestInit} options
 */
async function answer(address, options) {
  let response;
  try {
    response = await fetch(address, { credentials: "same-origin", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "The server does not answer. Start `rayexec dev` again.");
  }
  if (response.ok) return response;
  throw await errorOf(response);
}

/** @param {Response} response */
async function errorOf(response) {
  let document;
  try {
    document = await response.json();
  } catch {
    document = {};
  }
  let message = document.error ?? `The server answered ${response.status}.`;
  if (response.status === 401) {
    message = "This page has no valid token. Open the address that `rayexec dev` printed.";
  }
  return new ApiError(response.status, message, document.problems);
}

const JOBS_MS = 2_000;
/** @type {Promise<Jobs> | null} */
let jobsAsked = null;
let jobsAskedAt = 0;

/**
 * Return the jobs; header and page share an answer of the last moment, unless it must be fresh.
 * @param {{ isFresh?: boolean }} [options]
 * @returns {Promise<Jobs>}
 */
export function jobs({ isFresh = false } = {}) {
  const now = performance.now();
  if (jobsAsked === null || isFresh || now - jobsAskedAt > JOBS_MS) {
    jobsAsked = get("api/jobs");
    jobsAskedAt = now;
  }
  return /** @type {Promise<Jobs>} */ (jobsAsked);
}

/** @type {Promise<Session> | null} */
let asked = null;

/**
 * Return the facts of this server; asked once.
 * @returns {Promise<Session>}
 */
export function session() {
  asked ??= get("api/session").catch((error) => {
    asked = null;
    throw error;
  });
  return /** @type {Promise<Session>} */ (asked);
}
