"""The studio: hear and shape styles in a browser.

    python studio.py --checkpoint checkpts/default.pt --port 7860

Serves a page on this machine alone. docs/tutorials/studio.md shows it round.
"""

from studio import main

if __name__ == "__main__":
    raise SystemExit(main())
