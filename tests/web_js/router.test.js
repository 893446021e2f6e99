import assert from "node:assert/strict";
import { test } from "node:test";

import { match, path } from "../../rayexec/web/static/router.js";

test("each page has its path", () => {
  const cases = [
    ["/", "jobs", {}],
    ["", "jobs", {}],
    ["/jobs/nightly", "job", { job: "nightly" }],
    ["/jobs/nightly/launch", "launchpad", { job: "nightly" }],
    ["/runs", "runs", {}],
    ["/runs/", "runs", {}],
    ["/runs/compare", "compare", {}],
    ["/runs/3f2a", "run", { id: "3f2a" }],
    ["/runs/3f2a/steps/load%5Bp3%5D", "step", { id: "3f2a", key: "load[p3]" }],
    ["/runs/3f2a/steps/a/b", "step", { id: "3f2a", key: "a/b" }],
    ["/cluster", "cluster", {}],
    ["/cache", "cache", {}],
  ];
  for (const [given, page, params] of cases) assert.deepEqual(match(given), { page, params });
});

test("other paths have none", () => {
  for (const given of ["/job", "/jobs", "/jobs/a/b", "/runs/a/steps", "/cluster/x", "/api/runs"]) {
    assert.equal(match(given), null);
  }
});

test("a part that is no valid encoding stays as it is", () => {
  assert.deepEqual(match("/jobs/100%"), { page: "job", params: { job: "100%" } });
});

test("a path goes back to its parts, whatever their characters", () => {
  for (const key of ["load[p3]", "a/b", "50%", "größe?#&"]) {
    assert.deepEqual(match(path("runs", "x", "steps", key))?.params, { id: "x", key });
  }
});
