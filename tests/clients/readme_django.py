"""The README's Django settings: a cache round trip and a session, through Steadfast."""

from readme import ADDRESS, block

import django
from django.conf import settings

values = {}
exec(compile(block("django"), "README.md", "exec"), values)
names = {name: value for name, value in values.items() if name.isupper()}
assert ADDRESS not in names["CACHES"]["default"]["LOCATION"], "not the bed's address"
settings.configure(INSTALLED_APPS=["django.contrib.sessions"], **names)
django.setup()

from django.core.cache import cache  # noqa: E402
from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402

cache.set("django:a", {"nested": [1, 2]}, 30)
assert cache.get("django:a") == {"nested": [1, 2]}
cache.set_many({"django:b": 1, "django:c": 2})
assert cache.get_many(["django:b", "django:c"]) == {"django:b": 1, "django:c": 2}
assert cache.incr("django:b") == 2
assert cache.add("django:b", 5) is False

assert settings.SESSION_ENGINE == "django.contrib.sessions.backends.cache"
session = SessionStore()
session["user"] = 7
session.save()
assert SessionStore(session.session_key)["user"] == 7
session.delete()
cache.delete_many(["django:a", "django:b", "django:c"])
