"""``python -m ovapi --config config.yaml``."""

import sys

from ovapi.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
