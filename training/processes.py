"""The processes that train one model together: this one alone, or those that `torchrun` started."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from common.errors import InputError

# A process that is killed closes its connections, which the others notice at once; this is for a machine that is gone.
# While the first process validates, saves or extracts features the others wait, which must take less.
TIMEOUT = timedelta(hours=1)


class Processes:
    """PyTorch DDP over gloo (CPU) or nccl (CUDA). With one process the methods do nothing, or give back their argument.

    rank: this process's number; `leads` is rank 0, which alone writes.
    """

    def __init__(self, device: torch.device) -> None:
        """Raises InputError for more processes than GPUs, and where the others cannot be reached."""
        self.rank = int(os.environ.get("RANK", 0))
        self.world_size = int(os.environ.get("WORLD_SIZE", 1))
        self.device = device
        if self.world_size == 1:
            return
        if device.type == "cuda":
            local, found = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
            if local >= found:
                raise InputError(f"process {local} has no GPU, {found} are here; lower --nproc_per_node")
            torch.cuda.set_device(local)
        with self.naming_a_lost_one():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module as DDP: its parameters become the first process's, gradients the mean over all processes."""
        if self.world_size == 1:
            return module
        # The decoder has no gradient before it learns. The buffers never change.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view")  # of kernels of size 1
        with self.naming_a_lost_one():
            return DistributedDataParallel(module, find_unused_parameters=True, forward_sync_buffers=False)

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sums over all processes, which call it together."""
        if self.world_size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        with self.naming_a_lost_one():
            dist.all_reduce(total)
            return total.tolist()

    def any(self, value: bool) -> bool:
        """Whether it is true in one process or more; all call it together."""
        return self.sum([value])[0] > 0

    def agree(self, value: float) -> bool:
        """Whether it is the same number in every process; all call it together."""
        count, total, squares = self.sum([1.0, value, value * value])
        return count * squares == total * total

    def wait(self) -> None:
        """Until all are here."""
        self.sum([0.0])

    def close(self) -> None:
        if self.world_size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    @contextmanager
    def naming_a_lost_one(self) -> Iterator[None]:
        """Inside, an error of the connection to another process becomes an InputError."""
        try:
            yield
        except RuntimeError as error:
            if self.world_size == 1 or not (isinstance(error, dist.DistError) or "gloo" in str(error).lower()):
                raise
            raise InputError(
                f"process {self.rank} lost another one, which was killed or cannot be reached (its own message says "
                "more); start again to resume from the last saved step"
            ) from error
