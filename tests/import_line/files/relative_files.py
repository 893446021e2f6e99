import os

from dagster import file_relative_path, job, op


@op
def here():
    return os.path.basename(file_relative_path(__file__, "relative_files.py"))


@op
def up():
    return os.path.normpath(file_relative_path(__file__, "..")).endswith("files") is not None


@job
def files():
    here()
    up()
