"""The benchmark of training, in sizes that show only that its sides train."""

from __future__ import annotations

import math

from speed import training as speed
from speed.outcome import Settings
from training.overrides import resolve_params

from .test_official_training import SMALL
from .tiny_corpus import training_params, write_corpus


def test_both_architectures_train_in_our_way(tmp_path):
    folder = write_corpus(tmp_path / "corpus")
    settings = Settings("", "", (), str(folder / "train.txt"), None, threads=1, repeats=1, quick=True, out=tmp_path)
    params = training_params(folder, tmp_path / "log", encoder_steps=0)
    trainer, step = speed._ours(settings, params)
    losses, norm = step()
    assert math.isfinite(norm) and losses["diffusion"] > 0 and speed._millions(trainer.model) > 0
    files = [f"train.{part}_filelist={folder / 'train.txt'}" for part in ("train", "valid")]
    given = [*SMALL, *files, f"train.cache_dir={folder / 'cache'}", "train.encoder_steps=0"]
    same, step, _ = speed._official(settings, resolve_params(speed.OFFICIAL, given))
    assert step()["diffusion"] > 0 and same.step == 1 and same.model.config.n_speakers == 2
