"""Records what Dagster does with the job files: run it with a Python that has Dagster.

``python tests/import_line/record.py`` writes recorded.json, beside it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import dagster  # type: ignore[import-not-found,unused-ignore]

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def main() -> None:
    from observe import observed

    # Dagster writes each event to stderr.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    records = {}
    for file in sorted((HERE / "files").glob("*.py")):
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = module
        try:
            spec.loader.exec_module(module)
            records[file.stem] = observed(module, dagster.JobDefinition)
        except Exception as error:
            print(f"{file.name}: {error!r}")
            raise SystemExit(1) from error
    text = json.dumps(records, indent=1, sort_keys=True)
    (HERE / "recorded.json").write_text(text + "\n")
    print(f"{len(records)} files recorded with Dagster {dagster.__version__}")


if __name__ == "__main__":
    main()
