"""Scripts of the workspace's processes, whose environment lacks this package."""
