"""Random command lines and files for every script: whatever is given, one line and a code.

python -m tests.fuzz 5000                  # in this process, through the scripts' `main`
python -m tests.fuzz 300 --processes       # in processes of their own, whose memory is measured
python -m tests.fuzz 1 --first 4711        # one case again
"""
