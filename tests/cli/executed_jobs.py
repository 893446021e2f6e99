"""Jobs to run from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli_process import Ended, run

JOBS = """
import os, signal, sys, threading, time
from rayexec import Config, RetryPolicy, job, op, resource

class Conf(Config):
    n: int = 1
    m: int = 2

@op
def one(context, config: Conf):
    print("printed by one")
    print("warned by one", file=sys.stderr)
    context.log.info("logged\\nin two lines")
    return config.n + config.m

@op
def double(n: int) -> int:
    os.system("echo printed by a child")
    return 2 * n

@op
def show(context, n: int):
    print("n is", n, "tags", dict(context.run.tags))

@job
def good():
    show(double(one()))

@op
def boom(n: int):
    raise ValueError("this went wrong")

@job
def bad():
    show(boom(one()))

@op(retry_policy=RetryPolicy(max_retries=1))
def stubborn():
    raise KeyError("again")

@job
def retried():
    stubborn()

@op
def leave():
    sys.exit(7)

@job
def leaving():
    leave()

@job
def many_bad():
    for number in range(12):
        boom.alias(f"boom_{number}")(one())

@resource
def database(context):
    raise ConnectionError("no database here")

@op(required_resource_keys={"db"})
def query():
    pass

@job(resource_defs={"db": database})
def unopened():
    query()

@op
def chatty():
    for number in range(20_000):
        print("line", number)
    with open("chatty.done", "w") as file:
        file.write("yes")

@job
def chat():
    chatty()

@op
def sleepy():
    open("asleep", "w").close()
    time.sleep(600)

@job
def sleeping():
    one()
    sleepy()

@op
def cling():
    try:
        open("asleep", "w").close()
        time.sleep(600)
    finally:
        open("closing", "w").close()
        time.sleep(600)

@job
def clinging():
    cling()

@op
def hang_up():
    os.kill(os.getpid(), signal.SIGHUP)

@job
def hung_up():
    hang_up()

@op
def fork():
    up, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, b".")
        # Python notes a signal that comes just before a sleep, and looks at it behind the sleep.
        for _ in range(60_000):
            time.sleep(0.01)
        os._exit(0)
    os.read(up, 1)
    os.kill(child, signal.SIGTERM)
    print("ended by", -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

@job
def forks():
    fork()

class Odd(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
        self.lock = threading.Lock()

@op
def odd():
    raise Odd("this", "that")

@op
def dies():
    os._exit(3)

@op
def handle():
    return threading.Lock()

@op
def use(x):
    pass

@job
def troubled():
    odd()
    dies()
    use(handle())
    leave()
    show(one())
"""


def execute_job(directory: Path, job: str, *arguments: str, **how: Any) -> Ended:
    return run(
        "job",
        "execute",
        "-f",
        "jobs.py",
        "-c",
        "here.yaml",
        "-j",
        job,
        *arguments,
        cwd=directory,
        **how,
    )
