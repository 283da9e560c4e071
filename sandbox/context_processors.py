"""What the sandbox's own templates show about the sandbox."""

from django.conf import settings


def sandbox(request):
    return {"simulator_url": settings.SIMULATOR}
