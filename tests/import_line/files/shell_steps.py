import subprocess
import sys

from dagster import Failure, Field, In, MetadataValue, Nothing, job, op


def run_script(context, code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise Failure(
            description=f"exit code {done.returncode}",
            metadata={"stderr": MetadataValue.text(done.stderr.strip())},
        )
    return done.stdout.strip()


@op(config_schema={"code": Field(str, default_value="print(1 + 1)")})
def script(context):
    return run_script(context, context.op_config["code"])


@op(ins={"done": In(Nothing)})
def finish():
    return "finished"


@job
def shell():
    finish(script())


RUNS = {
    "fine": {"job": "shell"},
    "exit 3": {
        "job": "shell",
        "run_config": {"ops": {"script": {"config": {"code": "raise SystemExit(3)"}}}},
    },
}
