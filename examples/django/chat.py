"""A chat, and the ASGI application for it: uvicorn chat:application"""

import os

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")


class Chat(AsyncJsonWebsocketConsumer):
    """Everybody hears what anybody says."""

    groups = ["lobby"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("lobby", {"type": "said", "text": content["text"]})

    async def said(self, event):
        await self.send_json({"text": event["text"]})


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("chat", Chat.as_asgi())]),
    }
)
