#!/usr/bin/env bash
# Installs the code of Matcha-TTS, as published on PyPI, with the packages that its networks import, into .matcha/
# at the repository root, for the benchmark of peers. Uses $PYTHON (default: .venv's), which has what its set-up imports.
# Does nothing when it is there.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PYTHON=${PYTHON:-$root/.venv/bin/python}
folder=$root/.matcha
source=matcha-tts==0.0.7.2
packages=(diffusers==0.25.0 huggingface_hub==0.23.5 conformer==0.3.2)

stamp="$source ${packages[*]}"
if [[ -f $folder/stamp && $(<"$folder/stamp") == "$stamp" ]]; then
    exit 0
fi

rm -rf "$folder" "$folder.new"
"$PYTHON" -m pip install -qq --disable-pip-version-check --no-deps --target "$folder.new" "${packages[@]}"
# Only a source archive is published; its Python files are all that speaking needs.
"$PYTHON" -m pip download -qq --disable-pip-version-check --no-deps --no-build-isolation --no-binary :all: -d "$folder.new" "$source"
tar xzf "$folder.new"/matcha*.tar.gz -C "$folder.new" --strip-components 1 --wildcards '*/matcha/*'
rm "$folder.new"/matcha*.tar.gz
echo "$stamp" >"$folder.new/stamp"
mv "$folder.new" "$folder"
