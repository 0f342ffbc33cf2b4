"""Scripts that processes of the workspace run in an environment without this package."""
