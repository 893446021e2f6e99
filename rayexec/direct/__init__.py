"""Direct calls: ops, resources and loggers called as functions, as unit tests do.

The contexts that such calls take are here too: ``build_op_context`` and its relatives.
"""

from rayexec.direct.calls import call_logger, call_resource
from rayexec.direct.op_call import call_op

__all__ = ["call_logger", "call_op", "call_resource"]
