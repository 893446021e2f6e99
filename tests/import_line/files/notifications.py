from dagster import (
    HookContext,
    HookDefinition,
    ResourceDefinition,
    failure_hook,
    graph,
    job,
    op,
    success_hook,
)

MESSAGES = []


def make_notifier(channel) -> HookDefinition:
    @success_hook(name=f"notify_{channel}", required_resource_keys={"sender"})
    def _notify(context: HookContext):
        context.resources.sender(f"{channel}: {context.op.name} in {context.job_name}")

    return _notify


@failure_hook(required_resource_keys={"sender"})
def page_somebody(context):
    context.resources.sender(f"page: {context.op.name}: {context.op_exception}")


@op
def extract():
    return 1


@op
def transform(x):
    raise ValueError("bad row")


@graph
def pipeline():
    transform(extract())


sender = ResourceDefinition.hardcoded_resource(MESSAGES.append)
notified = pipeline.to_job(
    name="notified",
    hooks={make_notifier("data"), page_somebody},
    resource_defs={"sender": sender},
)


@job(resource_defs={"sender": sender})
def one_op():
    extract.with_hooks(hook_defs={make_notifier("ops")})()


def observe():
    return sorted(MESSAGES)
