import assert from "node:assert/strict";
import { test } from "node:test";

import { queryText } from "../../rayexec/web/static/api.js";

test("parameters that are nothing are left out, and lists repeat their name", () => {
  const query = {
    text: "a b&c",
    status: "",
    job: null,
    limit: 20,
    tag: ["x=1", "y=2"],
    all: false,
  };
  assert.equal(queryText(query), "text=a+b%26c&limit=20&tag=x%3D1&tag=y%3D2");
  assert.equal(queryText({}), "");
});
