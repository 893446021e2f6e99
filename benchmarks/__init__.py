"""What rayexec costs beside the ops it runs; see README.md."""

import os

# What is measured is not what recording costs, but where it is; and nobody wants such runs among
# their own.
os.environ.setdefault("RAYEXEC_RECORD", "0")
