"""``python -m pinterest_platform.local_aws``: serve until the process is ended."""

from pinterest_platform.local_aws.server import serve

if __name__ == "__main__":
    serve()
