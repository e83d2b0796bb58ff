"""A shop: who is here (session), what it costs (cache), and a report to order (job)."""

from django.conf import settings
from django.core.cache import cache
from django.http import JsonResponse
from django.views.decorators.http import require_POST
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue

PRICE_LIFE = 1  # s

# Without the retries that are redis-py's default: a job that is added twice is done twice.
reports = Queue("reports", connection=Redis.from_url(settings.QUEUE_URL, retry=Retry(NoBackoff(), 0)))


@require_POST
def login(request):
    """A session of one's own, under a new key as after every login."""
    request.session.cycle_key()
    request.session["user"] = request.POST["user"]
    request.session["visits"] = 0
    return JsonResponse({"user": request.session["user"]})


def front_page(request):
    """Reads and writes the session, and asks the cache."""
    session = request.session
    session["visits"] = session.get("visits", 0) + 1
    return JsonResponse(
        {
            "user": session.get("user"),
            "visits": session["visits"],
            "price": cache.get_or_set("price", look_up_price, PRICE_LIFE),
        }
    )


def look_up_price():
    """What takes so long that it is cached."""
    return 42


@require_POST
def order(request):
    """Adds a job and names it."""
    job = reports.enqueue("jobs.write_report", request.POST["title"])
    return JsonResponse({"job": job.id})
