from dagster import FilesystemIOManager, fs_io_manager, job, mem_io_manager, op


@op
def make():
    return {"rows": [1, 2]}


@op
def count(data):
    return len(data["rows"])


@job(resource_defs={"io_manager": fs_io_manager})
def with_files():
    count(make())


@job(resource_defs={"io_manager": mem_io_manager})
def with_memory():
    count(make())


@job(resource_defs={"io_manager": FilesystemIOManager()})
def with_class():
    count(make())
