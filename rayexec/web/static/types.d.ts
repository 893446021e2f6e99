/**
 * Types of the JSON API, and of what the modules of the pages share.
 *
 * Times are seconds since 1970, except in documents that the command line prints too: those have
 * ISO 8601 texts.
 */

export type Time = number | string;
export type Query = Record<string, string>;

/** What a page module gets: parts of its path, its query, and a signal that ends with the page. */
export interface PageContext {
  params: Record<string, string>;
  query: Query;
  signal: AbortSignal;
}

export interface PageModule {
  mount(root: HTMLElement, context: PageContext): void | Promise<void>;
}

export type ClusterState = "none" | "starting" | "up" | "away";
export type RunStatus = "STARTED" | "SUCCESS" | "FAILURE" | "CANCELED" | "UNREADABLE";
export type StepState =
  | "succeeded"
  | "reused"
  | "failed"
  | "skipped"
  | "not run"
  | "running"
  | "waiting"
  | "retrying";

export interface Session {
  version: string;
  read_only: boolean;
  token_port: number;
  store: string;
  source: { file?: string; module?: string } | null;
  has_code: boolean;
  cluster: {
    address: string;
    is_own: boolean;
    state: ClusterState;
    error: string | null;
  } | null;
  now: number;
}

/** Why something failed in the user's code, or in the server. */
export interface Failure {
  message: string;
  traceback: string;
}

export interface LastRun {
  run_id: string;
  status: RunStatus;
  start_time: Time;
  duration: number | null;
}

export interface JobEntry {
  name: string;
  attribute: string;
  description: string | null;
  ops: number;
  last_runs: LastRun[];
}

export interface Jobs {
  state: "none" | "loading" | "ready" | "failed";
  version: number;
  is_stale: boolean;
  error: Failure | null;
  jobs: JobEntry[];
}

export interface ConfigField {
  name: string;
  type: string;
  required: boolean;
  default: unknown;
  description: string | null;
}

/** A node of a job's tree; `nodes` only in graphs, the facts after it only in ops. */
export interface OutlineNode {
  name: string;
  path: string;
  description?: string | null;
  nodes?: OutlineNode[];
  tags?: Record<string, string>;
  pool?: string | null;
  is_cached?: boolean;
  retry?: unknown;
  timeout?: number | null;
  file?: string | null;
  line?: number | null;
  config?: ConfigField[];
  asks_for?: unknown;
  limits?: string[];
  [fact: string]: unknown;
}

export interface JobDetails {
  job: string;
  attribute: string;
  description: string | null;
  file: string | null;
  line: number | null;
  nodes: OutlineNode[];
  ops: number;
  statistics: Record<
    string,
    { attempts: number; seconds: number; longest: number; runs: number }
  >;
  history: Row[];
}

export interface LayoutNode {
  id: string;
  label: string;
  kind: "op" | "graph";
  x: number;
  y: number;
  w: number;
  h: number;
  is_open: boolean;
  inner: number;
  is_mapped: boolean;
  marks: string[];
  depth: number;
}

export interface LayoutEdge {
  from: string;
  to: string;
  points: [number, number][];
  label: string | null;
  is_dynamic: boolean;
  is_collected: boolean;
}

export interface Layout {
  width: number;
  height: number;
  nodes: LayoutNode[];
  edges: LayoutEdge[];
  folded: string[];
  total_ops: number;
}

export interface Problem {
  line: number;
  column: number;
  end_line: number;
  end_column: number;
  path: string;
  message: string;
  fix: string | null;
}

export interface Check {
  problems: Problem[];
  missing: string[];
  unused: string[];
  selected: string[];
  ops: number;
  is_valid: boolean;
}

/** Body of check, plan, copy and launch. */
export interface LaunchBody {
  yaml: string;
  selection?: string[] | string | null;
  tags?: Record<string, string>;
  where?: string;
  max_concurrent?: number | null;
  resume_from?: string | null;
  steps?: string[] | null;
}

/** Counts of steps by their end; `total` is not among them. */
export type StepCounts = Record<string, number>;

/** A run as a row of a list: what `rayexec run list --json` prints. */
export interface Row {
  run_id: string;
  job: string;
  status: RunStatus;
  start_time: Time;
  end_time: Time | null;
  duration: number | null;
  steps: StepCounts;
  tags: Record<string, string>;
  parent_run_id: string | null;
  root_run_id: string | null;
  error: { error: string; message: string } | string | null;
  note: string | null;
}

/** A run in the list of runs. */
export interface ListedRun extends Row {
  is_over: boolean;
  is_live: boolean;
  origin: Record<string, unknown> | null;
  driver: Record<string, unknown> | null;
  op_selection: string[] | null;
}

export interface RunList {
  /** Version of the whole list, which the topic "runs" tells too. */
  version: number;
  runs: ListedRun[];
  total: number;
  statuses: Record<string, number>;
  jobs: string[];
  next: string | null;
}

export interface FailureGroup {
  message: string;
  error: string;
  count: number;
  steps: string[];
}

export interface CriticalStep {
  row: number;
  key: string;
  seconds: number;
  waited: number;
  waited_for: string | null;
}

/** For each action: null if it can be done now, or why not. */
export interface Actions {
  cancel: string | null;
  force: string | null;
  resume: string | null;
  rerun: string | null;
  delete: string | null;
}

export interface RunDetails {
  /** The document of `rayexec run show --json`. */
  report: Row & Record<string, any>;
  is_over: boolean;
  /** False for a run that is in no run store within reach. */
  is_recorded: boolean;
  /** What is wrong with its log. */
  damage: string | null;
  config_yaml: string;
  runtime_env: Record<string, string[]>;
  op_selection: string[] | null;
  limits: { limit: string; most: number; held_by: string; how: string }[];
  waited: Record<string, number>;
  failures: FailureGroup[];
  critical_path: { seconds: number; steps: CriticalStep[] } | null;
  children: Row[];
  parent: Row | null;
  materializations: Materialization[];
  retention: { in_use_by: string[] };
  actions: Actions;
  first_failed_rows: number[];
}

export interface StepRow {
  step: number;
  key: string;
  op: string;
  state: StepState;
  attempts: number;
  seconds: number | null;
  queue_s: number | null;
  waited_s: number | null;
  waited_for: string | null;
  started: Time | null;
  memory: number | null;
  bytes: number | null;
}

export interface StepPage {
  total: number;
  by_state: Record<string, number>;
  rows: StepRow[];
}

export interface StepFailure {
  error: string;
  message: string;
  stack: string[] | string | null;
  causes: StepFailure[];
}

export interface StepAttempt {
  waited_s: number | null;
  waited_for: string | null;
  holders: unknown[];
  failure: StepFailure | null;
  [fact: string]: any;
}

export interface Captured {
  text: string;
  is_cut: boolean;
}

export interface Metadata {
  kind: string;
  value: unknown;
}

export interface Materialization {
  time: Time;
  step: string | null;
  asset_key: string[];
  description: string | null;
  partition: string | null;
  tags: Record<string, string>;
  metadata: Record<string, Metadata>;
}

export interface StepDetails {
  step: number;
  key: string;
  op: string;
  state: StepState;
  attempts: StepAttempt[];
  inputs: { name: string; from: string[] }[];
  outputs: { name: string; to: string[]; [fact: string]: any }[];
  after: string[];
  before: string[];
  after_count: number;
  before_count: number;
  metadata: Record<string, Metadata>;
  materializations: Materialization[];
  cached_from: { run_id: string; step_key: string | null } | null;
  stdout: Captured;
  stderr: Captured;
  logs: LogLine[];
}

export interface LogLine {
  n: number;
  time: Time;
  kind: "event" | "log" | "stdout" | "stderr";
  level: string | null;
  step: string | null;
  text: string;
  /** Characters behind the end of the text. */
  left_out: number;
  event_type: string | null;
}

export interface LogPage {
  lines: LogLine[];
  next: number | null;
  total: number | null;
}

/** A queue of a running run: steps that wait for one thing, and who has it. */
export interface WaitQueue {
  reason: string;
  limit: string | null;
  size: number;
  steps: string[];
  used: number | null;
  most: number | null;
  holders: { key: string; seconds: number }[];
  others: boolean;
  other_runs: { run_id: string; job: string }[];
}

/** State of a run at this moment, as its driver writes it. */
export interface Now {
  run_id: string;
  time: number;
  as_of?: number;
  steps: number;
  is_final: boolean;
  over: number;
  ends: StepCounts;
  running_count: number;
  running: { key: string; node: string; seconds: number }[];
  waiting: number;
  queues: WaitQueue[];
  retries: { key: string; in_s: number }[];
  slots: { most: number; busy: number; idle: number; why: string | null };
  mapped: {
    node: string;
    done: number;
    total: number | null;
    failed: number;
    running: number;
  }[];
  remaining?: { seconds: number; because_of: string; unknown_ops: string[] } | null;
}

export interface Comparison {
  config: string;
  ops: { op: string; a: number | null; b: number | null }[];
}

export interface ClusterNode {
  host: string;
  node_id: string;
  is_head: boolean;
  resources: Record<string, number>;
  free: Record<string, number> | null;
}

export interface ClusterLimit {
  name: string;
  kind: string;
  total: number;
  used: number;
  nodes: string[];
  holders: {
    name: string;
    amount: number;
    pid: number | null;
    node_id: string | null;
    run_id: string | null;
    step: string | null;
  }[];
  waiters: { run_id: string; job: string; size: number; steps: string[] }[];
}

export interface Cluster {
  address: string | null;
  is_own: boolean;
  state: ClusterState;
  as_of: number | null;
  error: string | null;
  nodes: ClusterNode[];
  holders_unknown: string | null;
  limits: ClusterLimit[];
  findings: string[];
  runs: string[];
  other_runs: string[];
}

export interface CacheEntry {
  op: string;
  hits: number | null;
  count: number;
  bytes: number;
  newest: Time | null;
  oldest: Time | null;
}

export interface Cache {
  entries: CacheEntry[];
  bytes: number;
}

/** A message of the live channel. */
export interface LiveMessage {
  topic: string;
  kind: string;
  data: any;
}
