from dagster import MAX_RUNTIME_SECONDS_TAG, job, op


@op(pool="database", tags={"dagster/priority": "2", "operator_kind": "sql"})
def query():
    return [1]


@op(tags={"dagster/k8s": {"limits": {"cpu": "1"}}, "note": {"a": [1, 2]}})
def tagged(context):
    return sorted(context.op.tags)


@job(tags={MAX_RUNTIME_SECONDS_TAG: 60, "note": {"x": 1}})
def pooled():
    query()
    tagged()


def observe():
    return [query.pool == "database", str(query.pool), sorted(pooled.tags)]
