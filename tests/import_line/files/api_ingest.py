from datetime import datetime, timezone
from typing import Any

from dagster import AssetMaterialization, Config, Field, In, Nothing, Out, Output, job, op, resource


class FakeSession:
    def __init__(self, token):
        self.token = token
        self.calls = 0

    def get(self, page):
        self.calls += 1
        return [{"page": page, "id": i} for i in range(2)] if page < 3 else []


@resource(config_schema={"token": Field(str, is_secret=True)})
def session(init_context):
    yield FakeSession(init_context.resource_config["token"])


class PageConfig(Config):
    max_pages: int = 10


@op(required_resource_keys={"session"}, out=Out(list[dict[str, Any]]))
def fetch_pages(context, config: PageConfig):
    rows = []
    for page in range(config.max_pages):
        got = context.resources.session.get(page)
        if not got:
            break
        rows.extend(got)
    context.log.info(f"fetched {len(rows)} rows in {context.resources.session.calls} calls")
    return rows


@op(ins={"rows": In(list[dict[str, Any]])}, out={"count": Out(int), "last": Out(dict)})
def summarize(rows):
    yield AssetMaterialization("rows", metadata={"count": len(rows)})
    yield Output(len(rows), "count")
    yield Output(rows[-1], "last")


@op(ins={"start": In(Nothing)})
def stamp():
    return datetime(2024, 1, 1, tzinfo=timezone.utc).isoformat()


@job(resource_defs={"session": session}, tags={"team": "ingest"})
def ingest():
    count, last = summarize(fetch_pages())
    stamp(start=count)


RUNS = {
    "few": {
        "job": "ingest",
        "run_config": {
            "resources": {"session": {"config": {"token": "s3cret"}}},
            "ops": {"fetch_pages": {"config": {"max_pages": 1}}},
        },
    },
    "all": {
        "job": "ingest",
        "run_config": {"resources": {"session": {"config": {"token": "s3cret"}}}},
    },
}
