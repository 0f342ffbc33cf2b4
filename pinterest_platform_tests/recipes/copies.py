"""Copies of the package that recipes were applied to."""

import shutil
import subprocess
from pathlib import Path

from typing_extensions import override

from pinterest_platform_tests.process import BIN, Pinterest
from pinterest_platform_tests.recipes.blocks import ROOT, recipes


class Copy(Pinterest):
    """A copy of the package and its tests, and the ``pinterest`` command that imports the copy."""

    def __init__(self, folder: Path, *titles: str) -> None:
        # Ahead of the checkout, which is installed as it is.
        super().__init__(folder / "home", PYTHONPATH=str(folder / "copy"))
        self.root = folder / "copy"
        for package in ("pinterest_platform", "pinterest_platform_tests", "local_servers"):
            shutil.copytree(ROOT / package, self.root / package)
        shutil.copy(ROOT / "pyproject.toml", self.root)
        for title in titles:
            for block in recipes()[title].blocks:
                block.apply(self.root)

    @override
    def __call__(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run ``pinterest <arguments>`` of the copy to its end."""
        return self.run(str(BIN / "pinterest"), *arguments, **settings)
