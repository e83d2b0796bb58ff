"""What a visitor sees when a failover cuts in: 503, and whether anything was done.

Steadfast has two errors of its own. MASTERDOWN: there was no primary for longer than the hold time,
and the command was not executed. UNCERTAIN: the primary died with the command in its hands.
"""

import sys

from django.http import HttpResponse
from django.views.defaults import server_error as any_other_error


def server_error(request):
    """Django's `handler500`: also reached by errors of the session, which is saved after the view."""
    words = the_servers_words(sys.exc_info()[1])
    if "steadfast: no primary" in words:
        return again_later("Nothing was done.")
    if "UNCERTAIN" in words:
        return again_later("It may have been done: please look before you do it again.")
    return any_other_error(request)


def the_servers_words(error):
    """django-redis and django-valkey wrap what the server said in an error of their own."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


def again_later(text):
    return HttpResponse(text, status=503, headers={"Retry-After": "1"}, content_type="text/plain")
