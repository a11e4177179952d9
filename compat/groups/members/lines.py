"""The line protocol for programs in Python, see README.md."""
import queue
import sys
import threading
import time

SESSION_TIMEOUT_MS = 6000
HEARTBEAT_INTERVAL_MS = 1000

_commands = queue.Queue()


def _read():
    for line in sys.stdin:
        _commands.put(line.split())


threading.Thread(target=_read, daemon=True).start()


def say(*words):
    line = " ".join(str(word) for word in (int(time.time() * 1000), *words))
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def failed(error):
    say("failed", repr(error).replace("\n", " "))


def obey_producer(send, close):
    """`send` takes [(key, value)] and returns when they are acknowledged."""
    say("ready")
    while True:
        command, *words = _commands.get()
        if command == "leave":
            break
        first, count = map(int, words)
        try:
            send([(b"key-%d" % (value % 60), b"%d" % value) for value in range(first, first + count)])
            say("produced", first, count)
        except Exception as error:
            failed(error)
    close()
    say("left")


class Holdings:
    """The partitions a member has, and how far it is in each."""

    def __init__(self):
        self._next = {}

    def gain(self, partitions):
        fresh = [one for one in partitions if one not in self._next]
        self._next.update((one, None) for one in fresh)
        if fresh:
            say("gained", *sorted(fresh))

    def lose(self, partitions):
        gone = [one for one in partitions if one in self._next]
        for one in gone:
            del self._next[one]
        if gone:
            say("lost", *sorted(gone))

    def see(self, partition, offset, key, value):
        if partition in self._next:
            self._next[partition] = offset + 1
        say("seen", partition, offset, key, value)

    def positions(self):
        return {partition: position for partition, position in self._next.items() if position is not None}


def obey_member(holdings, poll, commit, close):
    """`poll` waits for a moment at most; `commit` takes {partition: next offset}."""
    while True:
        poll()
        try:
            command = _commands.get_nowait()[0]
        except queue.Empty:
            continue
        if command == "leave":
            break
        positions = holdings.positions()
        try:
            if positions:
                commit(positions)
            say("committed", *("%d:%d" % one for one in positions.items()))
        except Exception as error:
            failed(error)
    close()
    say("left")
