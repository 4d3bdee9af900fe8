"""``python -m ovapi --config config.yaml``."""

from __future__ import annotations

import sys

from ovapi import signals


def main() -> int:
    signals.hold()
    try:
        from ovapi.cli.main import main as run  # takes a while, in which signals may come

        return run()
    finally:
        signals.release()


if __name__ == "__main__":
    sys.exit(main())
