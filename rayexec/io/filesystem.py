"""IO managers for any value, in pickle files."""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

from rayexec.definitions.contexts import InitResourceContext
from rayexec.definitions.io_contexts import InputContext, OutputContext
from rayexec.definitions.io_manager import ConfigurableIOManager
from rayexec.definitions.metadata.metadata_value import MetadataValue
from rayexec.definitions.surroundings import DEFAULT_HOME
from rayexec.errors import InvariantError
from rayexec.former_names import StoredUnpickler
from rayexec.io.output_files import OutputFile, file_at, file_of, upstream_of

__all__ = ["FilesystemIOManager", "custom_path_fs_io_manager", "fs_io_manager", "storage_of"]


def storage_of(context: InitResourceContext) -> str:
    """Return the default place of files: ``storage`` below the home of the run's driver."""
    # A worker's home may be another.
    home = os.environ.get("RAYEXEC_HOME") if context.run is None else context.run.home
    return f"{home or DEFAULT_HOME}/storage"


class _PickleFiles(ConfigurableIOManager):
    """Pickles each output into a file of its own below ``base_dir``."""

    base_dir: str | None = None

    def create_io_manager(self, context: InitResourceContext) -> _PickleFiles:
        """Return the manager for a run: by default its files are beside the run's own."""
        if self.base_dir is not None:
            return self
        return self.model_copy(update={"base_dir": storage_of(context)})

    @property
    def root(self) -> str:
        """The directory of all files; raises InvariantError outside of a run without one."""
        if self.base_dir is None:
            raise InvariantError(
                "this IO manager has a directory of its own only in a run: give it base_dir."
            )
        return self.base_dir

    def file(self, context: OutputContext) -> OutputFile:
        """Return the file of an output."""
        return file_of(self.root, context)

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Pickle ``obj``; the path is added to the output's metadata."""
        file = self.file(context)
        file.write(lambda stream: _dump(obj, stream))
        context.add_output_metadata({"path": MetadataValue.path(file.path)})

    def load_input(self, context: InputContext) -> Any:
        """Return the pickled value; raises StrangerError where others could have written it."""
        with self.file(upstream_of(context)).open_trusted() as stream:
            return StoredUnpickler(stream).load()


class FilesystemIOManager(_PickleFiles):
    """Pickles each output into a file of its own below ``base_dir``.

    ``base_dir`` is a path, or a URI that ``pyarrow.fs`` knows (``s3://bucket/key``, ``gs://…``,
    ``file://…``) within reach of all nodes; by default ``storage`` below RAYEXEC_HOME, for this
    user alone. The file is ``<run id>/<step key>/<output>[/<mapping key>]``, percent-encoded, and
    appears only once it is complete.

    On this machine a file is loaded only if this user owns it and nobody else may change it, or the
    directories up to ``base_dir``. Users in RAYEXEC_TRUSTED_OWNERS count as this one. A file of any
    other place is loaded as it is.
    """


class _CustomPathFilesystemIOManager(_PickleFiles):
    """A FilesystemIOManager whose outputs name their file: ``Out(metadata={"path": …})``."""

    def file(self, context: OutputContext) -> OutputFile:
        """Return the file that the output names, below ``base_dir``; raises InvariantError."""
        path = context.definition_metadata.get("path")
        if not isinstance(path, str) or ".." in path.split("/"):
            raise InvariantError(
                f"output {context.name!r} must name its file below base_dir, as in "
                f'Out(metadata={{"path": "a/b"}}); got {path!r}.'
            )
        return file_at(self.root, [part for part in path.split("/") if part])


def _dump(obj: Any, stream: Any) -> None:
    # A worker has no __main__ of the user's. So the definitions in there must go by value, as they
    # do in the object store. A process without Ray has that __main__ itself.
    (sys.modules.get("ray.cloudpickle") or pickle).dump(obj, stream, protocol=5)


fs_io_manager = FilesystemIOManager.configure_at_launch()
custom_path_fs_io_manager = _CustomPathFilesystemIOManager.configure_at_launch()
