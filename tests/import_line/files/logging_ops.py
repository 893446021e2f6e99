import logging

from dagster import Field, InitLoggerContext, get_dagster_logger, job, logger, op

LINES = []


class Kept(logging.Handler):
    def emit(self, record):
        if record.levelno >= self.level and "from the" in record.getMessage():
            LINES.append(f"{record.levelname} {record.getMessage().split(' - ')[-1]}")


@logger(config_schema={"log_level": Field(str, is_required=False, default_value="INFO")})
def kept_logger(init_context: InitLoggerContext):
    made = logging.getLogger("import_line_kept")
    made.handlers = [Kept()]
    made.setLevel(init_context.logger_config["log_level"])
    return made


@op
def speak(context):
    context.log.debug("from the op, debug")
    context.log.info("from the op, info")
    context.log.warning("from the op, %s", "warning")
    get_dagster_logger().error("from the module")


@job(logger_defs={"kept": kept_logger})
def speaking():
    speak()


RUNS = {
    "default": {"job": "speaking", "run_config": {"loggers": {"kept": {}}}},
    "loud": {
        "job": "speaking",
        "run_config": {"loggers": {"kept": {"config": {"log_level": "WARNING"}}}},
    },
    "unheard": {"job": "speaking", "run_config": {"loggers": {"nope": {}}}},
}


def observe():
    return LINES
