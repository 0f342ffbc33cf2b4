"""The posting emulation: posts from the source database to the gateway's topics or streams."""

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
from pinterest_platform.emulator.posts import Post
from pinterest_platform.emulator.posts import posts as pick_posts
from pinterest_platform.emulator.rest_proxy import RestProxy
from pinterest_platform.errors import PlatformError

# Distinct problems that are told. A gateway that puts a request id into every message would
# otherwise fill the screen and, over days, the memory.
MOST_PROBLEMS = 50


@dataclass
class Sent:
    """The count so far; ``sent``, ``failed`` and ``missing`` are records by kind.

    ``posts`` counts the posts picked. Every record of them is acknowledged (sent), failed, or was
    not in the source (missing).
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
    """Send random posts of the source database to the gateway, each kind to its place.

    Args:
        engine: the source database.
        gateway_url: where the gateway is.
        destinations: kind ('pin', 'geo', 'user') to topic or stream.
        token: that the gateway wants, if it wants one.
        channel: 'batch' posts to topics, 'stream' puts into streams, a request for every record.
        posts: how many; None goes on until ``stop``.
        rate: posts a second; 0 as fast as possible; None waits 0 to 2 s at random between posts.
        batch_size: posts whose records are sent together, on 'batch' in one request. The last
            batch may be smaller.
        seed: decides which posts, and apart from that the random waits and partition keys.
        stop: when it is set, what was picked is still sent, with one attempt and no long waits,
            and the count is returned.
        retries: attempts after the first that a request gets.
        backoff: seconds before an attempt, doubled with every attempt.
        on_progress: called after every post, and after the last batch, with the count so far.
        on_problem: called once for every distinct problem.

    Raises:
        PlatformError: the rate is none, the source cannot be read, or the gateway does not answer
            at the start. A request that fails later, retries and all, is counted and the
            emulation goes on.
    """
    # Written so that it catches NaN, too.
    if rate is not None and not rate >= 0:
        raise PlatformError("the rate is no number of posts a second: give --rate 0 or more")
    stop = stop or Stop()
    count = Sent()

    def tell(problem: str) -> None:
        if problem not in count.problems and len(count.problems) < MOST_PROBLEMS:
            count.problems.append(problem)
            on_problem(problem)

    picked = pick_posts(engine, seed, stop=stop, on_problem=tell)
    with GatewaySession(
        gateway_url, stop, token=token, retries=retries, backoff=backoff
    ) as gateway:
        way: Channel = RestProxy(gateway) if channel == "batch" else KinesisProxy(gateway, seed)
        try:
            gateway.check(way.path)
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
                    _send(way, destinations, ready, count, tell)
                on_progress(count)
        finally:
            # Also when the source went away or the user lost patience: what was picked is sent
            # or counted.
            if batch:
                _send(way, destinations, batch, count, tell)
            on_progress(count)
    return count


def _send(
    way: Channel,
    destinations: Mapping[str, str],
    batch: Sequence[Post],
    count: Sent,
    tell: Callable[[str], None],
) -> None:
    """Send a batch, kind by kind, and count every record of it, even when interrupted."""
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
            delivery = way.send(destinations[kind], values)
            count.sent[kind] += delivery.acknowledged
            count.failed[kind] += len(values) - delivery.acknowledged
            del unsettled[kind]
            if delivery.problem:
                tell(delivery.problem)
    finally:
        count.failed.update(unsettled)
