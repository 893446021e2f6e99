"""IO manager for any value, in pickle files."""

from __future__ import annotations

import pickle
import sys
from typing import Any

from rayexec.definitions.io_contexts import InputContext, OutputContext
from rayexec.definitions.io_manager import ConfigurableIOManager
from rayexec.definitions.metadata import MetadataValue
from rayexec.former_names import StoredUnpickler
from rayexec.io.output_files import file_of, upstream_of

__all__ = ["FilesystemIOManager", "fs_io_manager"]


class FilesystemIOManager(ConfigurableIOManager):
    """Pickles each output into a file of its own below ``base_dir``.

    ``base_dir`` is a path, or a URI that ``pyarrow.fs`` knows (``s3://bucket/key``, ``gs://…``,
    ``file://…``) within reach of all nodes. The file is ``<run id>/<step key>/<output>[/<mapping
    key>]``, percent-encoded, and appears only once it is complete.

    On this machine a file is loaded only if this user owns it and nobody else may change it, or the
    directories up to ``base_dir``. Users in RAYEXEC_TRUSTED_OWNERS count as this one. A file of any
    other place is loaded as it is.
    """

    base_dir: str

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Pickle ``obj``; the path is added to the output's metadata."""
        file = file_of(self.base_dir, context)
        file.write(lambda stream: _dump(obj, stream))
        context.add_output_metadata({"path": MetadataValue.path(file.path)})

    def load_input(self, context: InputContext) -> Any:
        """Return the pickled value; raises StrangerError where others could have written it."""
        file = file_of(self.base_dir, upstream_of(context))
        with file.open_trusted() as stream:
            return StoredUnpickler(stream).load()


def _dump(obj: Any, stream: Any) -> None:
    # A worker has no __main__ of the user's. So the definitions in there must go by value, as they
    # do in the object store. A process without Ray has that __main__ itself.
    (sys.modules.get("ray.cloudpickle") or pickle).dump(obj, stream, protocol=5)


fs_io_manager = FilesystemIOManager.configure_at_launch()
