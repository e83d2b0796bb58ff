"""A plain L4 balancer, as a Service or HAProxy in tcp mode is one: it asks each instance every so often
whether it is ready, gives every new connection to the next one that was, and leaves old ones alone.

It deliberately helps nobody: a connection that the chosen instance refuses is closed, not tried elsewhere.
"""

import contextlib
import http.client
import itertools
import select
import socket
import threading
import time

# As often as Kubernetes may at most be told to; the default there is 10 s.
ASK_EVERY = 0.2
ASK_LIMIT = 1
CONNECT_LIMIT = 30
PIECE = 65536
ENDS = (OSError, http.client.HTTPException)


class Backend:
    """One instance, and whether it was ready when last asked."""

    def __init__(self, port, admin_port):
        self.port = port
        self.admin_port = admin_port
        self.well = False

    def ask(self):
        """Asks /readyz."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=ASK_LIMIT)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/readyz")
                self.well = connection.getresponse().status == 200
            except ENDS:
                self.well = False


class Balancer:
    """Listens at `port` from its making to the end of the process."""

    def __init__(self):
        self.backends = []
        self.turn = itertools.count()
        # Connections that nobody took, and why.
        self.turned_away = []
        # The longest time that passed without asking: beyond the instances' drain delay nothing is shown.
        self.longest_blindness = 0.0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        for loop in (self._ask, self._accept):
            threading.Thread(target=loop, daemon=True).start()

    def add(self, port, admin_port):
        """One more instance, which gets connections once it is ready."""
        backend = Backend(port, admin_port)
        self.backends = [*self.backends, backend]
        return backend

    def remove(self, backend):
        """An instance that has ended."""
        self.backends = [one for one in self.backends if one is not backend]

    def _ask(self):
        asked = time.monotonic()
        while True:
            for backend in self.backends:
                backend.ask()
            now = time.monotonic()
            self.longest_blindness = max(self.longest_blindness, now - asked)
            asked = now
            time.sleep(ASK_EVERY)

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            well = [backend for backend in self.backends if backend.well]
            if not well:
                self.turned_away.append("nobody is ready")
                return
            chosen = well[next(self.turn) % len(well)]
            try:
                server = socket.create_connection(("127.0.0.1", chosen.port), CONNECT_LIMIT)
            except OSError as error:
                self.turned_away.append(f"{chosen.port}: {error}")
                return
            with server, contextlib.suppress(OSError):
                carry(client, server)


def carry(one, other):
    """Bytes both ways until both sides have ended. An end that comes with the last bytes goes on with
    them, in one packet, as it does where packets are only rewritten."""
    ways = {one.fileno(): (one, other), other.fileno(): (other, one)}
    poller = select.poll()
    for fd, (source, _) in ways.items():
        source.settimeout(None)
        source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poller.register(fd, select.POLLIN)
    while ways:
        for fd, _ in poller.poll():
            source, target = ways[fd]
            data = source.recv(PIECE)
            ended = not data or has_ended(source)
            if ended:
                target.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            target.sendall(data)
            if ended:
                poller.unregister(fd)
                del ways[fd]
                target.shutdown(socket.SHUT_WR)


def has_ended(source):
    """Whether the end is all that comes any more."""
    try:
        return not source.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
