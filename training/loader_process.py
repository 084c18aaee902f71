"""How a data-loader process takes signals."""

from __future__ import annotations

import os
import signal
import threading


def obey_only_the_parent(_worker: int = 0) -> None:
    """Make this process deaf to Ctrl-C, and to SIGTERM from anyone but its parent.

    A request to stop often reaches every process of a run. A loader that died of it would interrupt the training step
    that is being ended; it ends with the run instead, or when the run is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_await_the_parent, args=(os.getppid(),), daemon=True).start()


def _await_the_parent(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
