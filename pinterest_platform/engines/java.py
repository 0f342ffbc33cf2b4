"""The Java runtime of this machine."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from pinterest_platform.errors import ConfigurationError

# The oldest that Spark 4 runs on.
JAVA = 17


def require_java(engine: str) -> None:
    """Check that the Java that Spark would start is new enough.

    Raises:
        PlatformError: there is no Java, or an older one.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    what = f"the engine {engine} needs Java {JAVA} or newer"
    to_do = (
        f"install it (Debian: apt-get install openjdk-{JAVA}-jre-headless) or set JAVA_HOME, or "
        "choose another engine with PINTEREST_ENGINE"
    )
    if java is None:
        raise ConfigurationError(f"{what}, but the PATH has no java: {to_do}")
    try:
        finished = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise ConfigurationError(f"{what}, but {java} cannot be run: {to_do}") from None
    # 'openjdk version "17.0.15" 2025-04-15'; up to 8 it was "1.8.0_412".
    found = re.search(r'version "(?:1\.)?(\d+)', finished.stderr + finished.stdout)
    if found is None or int(found[1]) < JAVA:
        version = found[1] if found else "of an unknown version"
        raise ConfigurationError(f"{what}, but {java} is Java {version}: {to_do}")
