"""The posting emulation: posts of the source database to the gateway's topics or streams."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from sqlalchemy import Engine

from pinterest_platform.emulator.database import TABLES
from pinterest_platform.emulator.gateway_session import (
    BACKOFF_S,
    RETRIES,
    Channel,
    GatewaySession,
)
from pinterest_platform.emulator.kinesis_proxy import KinesisProxy
from pinterest_platform.emulator.pace import Stop, due
from pinterest_platform.emulator.random_posts import Post
from pinterest_platform.emulator.random_posts import posts as pick_posts
from pinterest_platform.emulator.rest_proxy import RestProxy
from pinterest_platform.errors import PlatformError

# A gateway with a request id in every message would fill the screen and, over days, the memory.
MOST_PROBLEMS = 50


@dataclass(kw_only=True)
class Sent:
    """The count so far; ``sent``, ``failed`` and ``missing`` are records by kind.

    ``posts`` counts the chosen posts. Each of their records is acknowledged (sent), failed, or has
    no row in the source (missing).
    """

    posts: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = []
        for kind in TABLES:
            text = f"{kind} {self.sent[kind]} sent, {self.failed[kind]} failed"
            if self.missing[kind]:
                text += f", {self.missing[kind]} without a row"
            kinds.append(text)
        return f"{self.posts} posts: {'; '.join(kinds)}"


def emulate(
    engine: Engine,
    gateway_url: str,
    destinations: Mapping[str, str],
    *,
    token: str = "",
    channel: Literal["batch", "stream"] = "batch",
    posts: int | None,
    rate: float | None = None,
    batch_size: int = 1,
    seed: int = 100,
    stop: Stop | None = None,
    retries: int = RETRIES,
    backoff: float = BACKOFF_S,
    on_progress: Callable[[Sent], None] = lambda _: None,
    on_problem: Callable[[str], None] = lambda _: None,
) -> Sent:
    """Send random posts of the source database to the gateway, each kind to its topic or stream.

    A request that fails after all retries is counted, and the emulation continues.

    Args:
        engine: the source database.
        gateway_url: the gateway.
        destinations: kind ('pin', 'geo', 'user') -> topic or stream.
        token: the gateway's token, if it requires one.
        channel: 'batch' posts to topics; 'stream' puts into streams, one record a request.
        posts: how many; None to continue until ``stop``.
        rate: posts a second; 0 is as fast as possible; None waits a random time, 0 to 2 s, between
            posts.
        batch_size: posts whose records are sent together, for 'batch' in one request. The last
            batch may be smaller.
        seed: determines the choice of posts and, independently, random waits and partition keys.
        stop: once set, chosen posts are sent in one attempt without long waits, and the count is
            returned.
        retries: attempts after the first.
        backoff: the first wait between attempts in seconds, doubled with every attempt.
        on_progress: called with the count so far after every post and after the last batch.
        on_problem: called once for every distinct problem.

    Raises:
        PlatformError: the rate is invalid, the source cannot be read, or the gateway does not
            answer at the start.
    """
    # This form of the condition also catches NaN.
    if rate is not None and not rate >= 0:
        raise PlatformError("the rate is not a number of posts a second: give --rate 0 or more")
    stop = stop or Stop()
    count = Sent()

    def report(problem: str) -> None:
        if problem not in count.problems and len(count.problems) < MOST_PROBLEMS:
            count.problems.append(problem)
            on_problem(problem)

    picked = pick_posts(engine, seed, stop=stop, on_problem=report)
    with GatewaySession(
        gateway_url, stop, token=token, retries=retries, backoff=backoff
    ) as gateway:
        proxy: Channel = RestProxy(gateway) if channel == "batch" else KinesisProxy(gateway, seed)
        try:
            gateway.check(proxy.path)
        except PlatformError:
            if stop.is_set():
                return count
            raise
        batch: list[Post] = []
        try:
            for _ in islice(due(rate, seed, stop), posts):
                post = next(picked, None)
                if post is None:
                    break
                batch.append(post)
                count.posts += 1
                if len(batch) == batch_size:
                    ready, batch = batch, []
                    _send(proxy, destinations, ready, count, report)
                on_progress(count)
        finally:
            # Chosen posts are sent or counted even after an error or a second Ctrl-C.
            if batch:
                _send(proxy, destinations, batch, count, report)
            on_progress(count)
    return count


def _send(
    proxy: Channel,
    destinations: Mapping[str, str],
    batch: Sequence[Post],
    count: Sent,
    report: Callable[[str], None],
) -> None:
    """Send a batch kind by kind, and count all its records, even if interrupted."""
    records = {
        kind: [post.records[kind] for post in batch if kind in post.records] for kind in TABLES
    }
    unsettled = Counter({kind: len(values) for kind, values in records.items()})
    for kind, values in records.items():
        count.missing[kind] += len(batch) - len(values)
    try:
        for kind, values in records.items():
            if not values:
                continue
            delivery = proxy.send(destinations[kind], values)
            count.sent[kind] += delivery.acknowledged
            count.failed[kind] += len(values) - delivery.acknowledged
            del unsettled[kind]
            if delivery.problem:
                report(delivery.problem)
    finally:
        count.failed.update(unsettled)
