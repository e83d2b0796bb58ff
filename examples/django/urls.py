"""Where everything is."""

from django.urls import path

import views

urlpatterns = [
    path("", views.front_page),
    path("login", views.login),
    path("order", views.order),
]
handler500 = "failover.server_error"
