"""A Django project behind Steadfast: plain URLs with a database each, and no word of Sentinel.

Two primaries, because what must stay and what may go want different ones: sessions and jobs a
server with `maxmemory-policy noeviction`, the cache one with `allkeys-lfu`.
"""

import os

# A read timeout beyond Steadfast's hold time: whoever waits longest sees a failover to its end.
PATIENT = "?socket_timeout=30"
SESSIONS = os.environ.get("SESSIONS_URL", "redis://127.0.0.1:6379")
CACHE = os.environ.get("CACHE_URL", "redis://127.0.0.1:6380")
# The same primary as SESSIONS, at an endpoint that never answers UNCERTAIN (README.md says why).
JOBS = os.environ.get("JOBS_URL", "redis://127.0.0.1:6381")

BACKEND = {
    "django": "django.core.cache.backends.redis.RedisCache",
    "django-redis": "django_redis.cache.RedisCache",
    "django-valkey": "django_valkey.cache.ValkeyCache",
}[os.environ.get("CACHE_BACKEND", "django")]

CACHES = {
    "default": {"BACKEND": BACKEND, "LOCATION": f"{CACHE}/0{PATIENT}"},
    "sessions": {"BACKEND": BACKEND, "LOCATION": f"{SESSIONS}/0{PATIENT}"},
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
SESSION_CACHE_ALIAS = "sessions"

# Jobs (rq): the web server adds them, and is told when it cannot be known whether it did.
QUEUE_URL = f"{SESSIONS}/1{PATIENT}"

# Chat (channels-redis).
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [f"{JOBS}/2{PATIENT}"]},
    }
}

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-this-example")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["django.contrib.sessions"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
ROOT_URLCONF = "urls"
WSGI_APPLICATION = "web.application"
ASGI_APPLICATION = "chat.application"
USE_TZ = True
