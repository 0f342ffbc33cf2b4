"""A proxy between Kafka's clients and a broker, which loses answers on request."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# The number of a produce request in Kafka's protocol.
_PRODUCE = 0


class LossyProxy:
    """Forwards requests and answers, except those that ``lose_next`` drops.

    ``bootstrap`` is its address, ``lost`` the number of lost answers.
    """

    def __init__(self, listening: socket.socket, broker: int) -> None:
        self.lost = 0
        self.bootstrap = f"127.0.0.1:{listening.getsockname()[1]}"
        self._listening = listening
        self._broker = broker
        self._to_lose = 0

    def lose_next(self, answers: int) -> None:
        """Lose the next answers to produce requests, and close the connection with each."""
        self._to_lose += answers

    def serve(self) -> None:
        """Accept connections until the socket is shut down."""
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._connect, args=[client], daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        produced: set[int] = set()
        with client, socket.create_connection(("127.0.0.1", self._broker)) as broker:
            asking = threading.Thread(target=self._ask, args=[client, broker, produced])
            asking.start()
            with suppress(OSError):
                for frame in _frames(broker):
                    (correlation,) = struct.unpack_from(">i", frame)
                    if correlation in produced and self._to_lose:
                        self._to_lose -= 1
                        self.lost += 1
                        break
                    _send(client, frame)
            for end in (client, broker):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            asking.join()

    def _ask(self, client: socket.socket, broker: socket.socket, produced: set[int]) -> None:
        with suppress(OSError):
            for frame in _frames(client):
                kind, _, correlation = struct.unpack_from(">hhi", frame)
                if kind == _PRODUCE:
                    produced.add(correlation)
                _send(broker, frame)
            broker.shutdown(socket.SHUT_RDWR)


@contextmanager
def lossy_proxy(port: int, broker: int) -> Iterator[LossyProxy]:
    """A proxy on a port of this machine, in front of a broker on another port."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        proxy = LossyProxy(listening, broker)
        serving = threading.Thread(target=proxy.serve)
        serving.start()
        try:
            yield proxy
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            serving.join()


def _frames(of: socket.socket) -> Iterator[bytes]:
    """The messages of a connection: each is preceded by its length in bytes."""
    stream = of.makefile("rb")
    while len(size := stream.read(4)) == 4:
        yield stream.read(*struct.unpack(">i", size))


def _send(to: socket.socket, frame: bytes) -> None:
    to.sendall(struct.pack(">i", len(frame)) + frame)
