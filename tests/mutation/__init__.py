"""A mutation check: breaks one line at a time of the exact parts of the project and runs the tests of that part.

    python -m tests.mutation                       # everything; exit code 1 if a mutant survives its tests
    python -m tests.mutation --only 'model/s*'     # some files
    python -m tests.mutation --sample 40           # a quick look
    python -m tests.mutation --list                # what would be changed

A survivor means that a test is missing, or that the changed code does nothing; only changes that cannot be observed may
be listed in `equivalent.txt`, each with its reason.
"""
