from django.apps import AppConfig


class SandboxConfig(AppConfig):
    """What the shop has of its own: templates in place of Oscar's, style, pictures, and the goods on its shelves."""

    name = "sandbox"
    verbose_name = "Sandbox"
