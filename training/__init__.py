"""Training of the conditional model."""

import common  # noqa: F401 - first, so that Ctrl-C while torch loads is one line
