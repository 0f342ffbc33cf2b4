"""``python -m pinterest_platform``: the ``pinterest`` command, for processes that start another."""

from pinterest_platform.cli import run

if __name__ == "__main__":
    run()
