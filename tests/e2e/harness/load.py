"""Steady load from threads, and what became of each request."""
import threading
import time

from harness import http


class Load:
    """`count` clients that send one chat after another until stop(). `outcomes` collects (started, status or text of what went wrong,
    whether the answer was complete)."""

    def __init__(self, gateway, body, count=8, keep_alive=True, pause=0.0, timeout=20.0):
        self.port, self.body, self.keep_alive, self.pause, self.timeout = gateway.port, body, keep_alive, pause, timeout
        self.outcomes, self.lock, self.ending = [], threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(i,), daemon=True) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def client(self, number):
        connection, sent = None, 0
        while not self.ending.is_set():
            body = self.body(f"client {number} chat {sent}") if callable(self.body) else self.body
            start = time.monotonic()
            try:
                connection = connection or http.Connection(self.port, self.timeout)
                answer = connection.send(http.request("POST", "/v1/chat/completions", body)).answer()
                outcome = (start, answer.status, answer.complete)
                if not self.keep_alive or not answer.complete or answer.fields.get("connection") == "close":
                    connection.close()
                    connection = None
            except (OSError, http.Ended) as error:
                outcome = (start, f"{type(error).__name__}: {error}"[:120], False)
                connection = None
            sent += 1
            with self.lock:
                self.outcomes.append(outcome)
            if self.pause:
                time.sleep(self.pause)
        if connection:
            connection.close()

    def stop(self):
        """Waits for what is under way; returns the outcomes that are not a complete 200."""
        self.ending.set()
        for thread in self.threads:
            thread.join(self.timeout + 5)
        return [outcome for outcome in self.outcomes if outcome[1] != 200 or not outcome[2]]
