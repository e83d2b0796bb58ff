"""Applications with redis-py and its defaults: so many threads, each with a client of its own that counts
up a key. Works until standard input ends, then says in one line of JSON what each was told, and every
error that reached one. Arguments: the port, and the names of the keys."""

import json
import sys
import threading
import time

import redis

PACE = 0.01
stop = threading.Event()
told = {}
errors = []


def work(port, key):
    """One application; a number that was skipped or came twice is an error, too."""
    client = redis.Redis("127.0.0.1", port)
    count = 0
    while not stop.is_set():
        try:
            answer = client.incr(key)
            if answer != count + 1:
                errors.append(f"{key}: {answer} after {count}")
            count = answer
        except Exception as error:
            errors.append(f"{key}: after {count}: {type(error).__name__}: {error}")
        time.sleep(PACE)
    told[key] = count


port, keys = int(sys.argv[1]), sys.argv[2:]
threads = [threading.Thread(target=work, args=(port, key)) for key in keys]
for thread in threads:
    thread.start()
sys.stdin.read()
stop.set()
for thread in threads:
    thread.join()
print(json.dumps({"told": told, "errors": errors}))
