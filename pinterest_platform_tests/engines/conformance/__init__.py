"""What every engine must do alike: one suite, and the engines that it is run on."""

import pytest

# Not a test module itself, but its assertions are to say what they compared.
pytest.register_assert_rewrite(f"{__name__}.suite")
