"""The learning rate over a run."""

from __future__ import annotations

import math

from params import Train


def learning_rate(step: int, train: Train) -> float:
    """Of optimizer step `step`, from 0: a linear warm-up, then a cosine that ends on `final_learning_rate`."""
    if step < train.warmup_steps:
        return train.learning_rate * (step + 1) / train.warmup_steps
    remaining = max(train.steps - train.warmup_steps, 1)
    progress = min((step - train.warmup_steps) / remaining, 1.0)
    share = 0.5 * (1 + math.cos(math.pi * progress))
    return train.final_learning_rate + share * (train.learning_rate - train.final_learning_rate)
