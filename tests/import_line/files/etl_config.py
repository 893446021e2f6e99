from dagster import Config, RunConfig, job, op


class ExtractConfig(Config):
    rows: int = 3
    source: str


class LoadConfig(Config):
    table: str = "events"
    dry_run: bool = False


@op
def extract(config: ExtractConfig) -> list:
    return [{"id": i, "source": config.source} for i in range(config.rows)]


@op
def transform(rows: list) -> list:
    return [{**row, "id": row["id"] * 10} for row in rows]


@op
def load(config: LoadConfig, rows: list) -> str:
    return f"{config.table}:{len(rows)}:{config.dry_run}"


@job
def etl():
    load(transform(extract()))


RUNS = {
    "as a dict": {"job": "etl", "run_config": {"ops": {"extract": {"config": {"source": "s3"}}}}},
    "as RunConfig": {
        "job": "etl",
        "run_config": RunConfig(
            ops={
                "extract": ExtractConfig(rows=1, source="ftp"),
                "load": LoadConfig(table="t", dry_run=True),
            }
        ),
    },
    "nothing": {"job": "etl"},
    "a wrong key": {
        "job": "etl",
        "run_config": {"ops": {"extract": {"config": {"source": "a", "row": 1}}}},
    },
    "a wrong type": {
        "job": "etl",
        "run_config": {"ops": {"extract": {"config": {"source": "a", "rows": "many"}}}},
    },
}
