"""What is mutated, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutant import Mutant
from tests.mutation.python_mutants import python_mutants


@dataclass(frozen=True)
class Target:
    """path from the project's root; tests: files, those that notice most first; functions: None for all."""

    path: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] | None = None

    def mutants(self, root: Path) -> list[Mutant]:
        return python_mutants(self.path, (root / self.path).read_text(encoding="utf-8"), self.tests, self.functions)


TARGETS = [
    # alignment
    Target("monotonic_align/__init__.py", ("tests/test_monotonic_align.py",)),
    Target("data/token_spans.py", ("tests/test_labels.py",)),
    Target("model/cond_grad_tts.py", ("tests/test_cond_grad_tts.py",),
           ("CondGradTTS.align", "CondGradTTS.losses", "crop", "draw_known_types")),
    Target("model/cond_text_encoder.py", ("tests/test_cond_grad_tts.py",), ("round_durations",)),
    # masks
    Target("model/lengths.py", ("tests/test_lengths.py",)),
    Target("model/estimators/cross_unet_blocks.py", ("tests/test_cross_unet.py",), (
        "CellNorm.forward", "ResidualBlock.forward", "LinearAttention.forward", "Downsample.forward",
        "Upsample.forward", "masked",
    )),
    Target("model/local_window.py", ("tests/test_style_attention.py",)),
    Target("model/contour.py", ("tests/test_contour.py",)),
    # blend
    Target("model/style_attention.py", ("tests/test_style_attention.py",), (
        "<module>", "TypeKeys", "AttentionBlend", "StyleAttention.prepare", "StyleAttention._keys",
        "StyleAttention._heads", "StyleAttention.forward", "StyleAttention._attend", "StyleAttention._query_heads",
        "StyleAttention._blended", "StyleAttention._joint_mass", "StyleAttention._evidence", "position_features",
    )),
    # samplers
    Target("model/schedule.py", ("tests/test_schedule.py",)),
    Target("model/time_grids.py", ("tests/test_sampling.py",)),
    Target("model/sampling.py", ("tests/test_sampling.py",)),
    Target("model/denoiser.py", ("tests/test_diffusion.py", "tests/test_sampling.py")),
    Target("model/guidance.py", ("tests/test_guidance.py",)),
]  # fmt: skip
