"""Execute the documentation's notebook anew.

python -m tests.notebook              # docs/tutorials/two_styles_experiment.ipynb is written with what came out
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "tutorials" / "two_styles_experiment.ipynb"
MOST_SECONDS = 600  # of a cell; the machine may be busy


def executed(path: Path = NOTEBOOK) -> Any:
    """The notebook with fresh outputs, from a process of its own in the notebook's folder; raises if a cell does."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=MOST_SECONDS,
        startup_timeout=MOST_SECONDS,
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,  # when it ran is no part of it
    )
    environment = {"PYTHONPATH": str(ROOT), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, environment):
        kernel = client.create_kernel_manager()
        kernel.transport, kernel.ip = "ipc", str(Path(folder) / "kernel")  # nothing listens on a network
        return client.execute()


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m tests.notebook", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    import nbformat

    notebook = executed()
    notebook.metadata.pop("language_info", None)  # the version of Python that happened to be here
    nbformat.write(notebook, NOTEBOOK)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
