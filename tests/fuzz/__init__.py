"""Random command lines and files for every script: whatever is given, one line and a code.

python -m tests.fuzz 5000                  # in this process, through the scripts' `main`
python -m tests.fuzz 300 --processes       # as real processes, with their memory and time measured
python -m tests.fuzz 1 --first 4711        # one case again
"""
