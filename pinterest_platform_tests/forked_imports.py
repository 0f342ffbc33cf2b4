"""The imports of commands, for the process that ``forked`` forks them from.

Not pysail: a command exits differently if pysail was imported.
"""

import importlib
import pkgutil
import warnings

from pinterest_platform import commands, defs

# Dagster searches every package with components.
OTHERS = ("dagster_aws", "dagster_spark", "pyspark.sql.connect.session")

with warnings.catch_warnings():
    # Commands set their own filters.
    warnings.simplefilter("ignore")
    for package in (commands, defs):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in OTHERS:
        importlib.import_module(name)
