from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    ExpectationResult,
    MetadataValue,
    Output,
    job,
    op,
)


@op
def yielding():
    yield AssetMaterialization(
        asset_key="users", metadata={"rows": 3, "path": MetadataValue.path("/tmp/x")}
    )
    yield ExpectationResult(success=False, label="not_empty")
    yield Output(3)


@op
def logging(context):
    context.log_event(AssetObservation(asset_key=["a", "b"], metadata={"seen": 1.5}))
    context.log_event(AssetMaterialization(AssetKey(["a", "b"]), description="d"))
    return 1


@job
def reporting():
    yielding()
    logging()


def observe():
    result = reporting.execute_in_process()
    seen = []
    for node in ("yielding", "logging"):
        for m in result.asset_materializations_for_node(node):
            seen.append([m.asset_key.to_user_string(), m.description, sorted(m.metadata)])
    return seen
