"""The learning rate over a run."""

from __future__ import annotations

from params import Train


def learning_rate(step: int, train: Train) -> float:
    """Of optimizer step `step`, from 0: a linear warm-up, then constant, then linear down to `final_learning_rate`.

    Only the last `decay_steps` depend on how long the run is, so a run can be made longer before they begin, or stopped
    early by giving fewer `steps` (Hu et al., arXiv 2404.06395, section 4).
    """
    if step < train.warmup_steps:
        return train.learning_rate * (step + 1) / train.warmup_steps
    decay = min(train.decay_steps, max(train.steps - train.warmup_steps, 0))
    left = max(train.steps - step, 0) / decay if decay else 1.0
    return train.final_learning_rate + min(left, 1.0) * (train.learning_rate - train.final_learning_rate)
