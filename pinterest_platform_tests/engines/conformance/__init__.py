"""The conformance of engines: one suite, run on each engine."""

import pytest

# Not a test module, but its assertions should explain themselves, too.
pytest.register_assert_rewrite(f"{__name__}.suite")
