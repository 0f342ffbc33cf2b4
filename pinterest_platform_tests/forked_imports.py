"""What commands import, for the process that ``forked`` forks them from.

Not pysail: a command that opened no session of Sail ends in another way than one that did.
"""

import importlib
import pkgutil
import warnings

from pinterest_platform import commands, defs

# Dagster looks for components in every package that has some.
OTHERS = ("dagster_aws", "dagster_spark", "pyspark.sql.connect.session")

with warnings.catch_warnings():
    # A command shows them, or not, by what it is given itself.
    warnings.simplefilter("ignore")
    for package in (commands, defs):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in OTHERS:
        importlib.import_module(name)
