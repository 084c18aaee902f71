#!/usr/bin/env bash
# Installs the official Grad-TTS code, as packaged on PyPI, with what its model and its text front end import, into
# .peer/ at the repository root, for the tests that compare with it. Uses $PYTHON (default: python3), which needs torch,
# numpy, Cython and setuptools. Does nothing when it is already there for this Python and NumPy.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PYTHON=${PYTHON:-python3}
peer=$root/.peer
packages=(
    grad-tts==0.0.4 einops==0.8.2
    Unidecode==1.4.0 inflect==7.6.0 jaraco.functools==4.6.0 more-itertools==10.8.0 typeguard==4.4.4
    typing_extensions==4.16.0
)

stamp="${packages[*]} $("$PYTHON" -c 'import sys, numpy; print(sys.version_info[:2], numpy.__version__)')"
if [[ -f $peer/stamp && $(<"$peer/stamp") == "$stamp" ]]; then
    exit 0
fi

rm -rf "$peer" "$peer.new"
"$PYTHON" -m pip install -qq --disable-pip-version-check --no-deps --target "$peer.new" "${packages[@]}"

# The compiled part of the package was built for NumPy 1: build it again from the source beside it.
align=$peer.new/grad_tts/model/monotonic_align
rm -f "$align"/core.*.so
(
    cd "$peer.new"
    "$PYTHON" - <<'PYTHON_CODE'
import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

source = "grad_tts/model/monotonic_align/core.pyx"
core = Extension("grad_tts.model.monotonic_align.core", [source], include_dirs=[numpy.get_include()])
setup(
    name="grad-tts-core",
    packages=[],
    ext_modules=cythonize(
        [core], language_level=3, quiet=True, compiler_directives={"show_performance_hints": False}
    ),
    script_args=["--quiet", "build_ext", "--inplace"],
)
PYTHON_CODE
)
rm -rf "$peer.new/build"
echo "$stamp" >"$peer.new/stamp"
mv "$peer.new" "$peer"
