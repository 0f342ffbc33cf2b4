"""``python -m pinterest_platform.local_aws``: serve until a signal ends the process."""

from pinterest_platform.local_aws.server import serve

if __name__ == "__main__":
    serve()
