from dagster import HookContext, ResourceDefinition, failure_hook, job, op, success_hook

SEEN = []


@success_hook(required_resource_keys={"slack"})
def on_success(context: HookContext):
    context.resources.slack.append(f"ok {context.op.name} {context.step_key}")


@failure_hook
def on_failure(context: HookContext):
    SEEN.append(f"failed {context.op.name} {type(context.op_exception).__name__}")


@success_hook
def broken(context):
    raise RuntimeError("the hook")


@op
def fine():
    return 1


@op
def bad():
    raise ValueError("x")


@on_failure
@job(
    hooks={on_success},
    resource_defs={"slack": ResourceDefinition.hardcoded_resource(SEEN)},
)
def hooked():
    fine.alias("renamed")()
    bad()


@job
def one_hooked_op():
    fine.with_hooks({broken})()


def observe():
    return sorted(SEEN)
