"""A small piece every shop has to decide for itself: which scripts may run in its pages."""

from urllib.parse import urlsplit

from django.conf import settings


class ContentSecurityPolicyMiddleware:
    """Send a Content-Security-Policy under which nothing but our own script files runs in a shopper's page.

    A card form is worth stealing from, so no inline script is allowed, the only foreign origin is the device
    profiling service, and a form may be posted to the shop and to CyberSource but nowhere else.

    A header is all it takes. Django has a policy of its own only since 6.0, and django-csp would be one more package;
    both do the same as these lines.
    """

    #: Oscar's dashboard and Django's admin are for staff, show no card form, and are full of inline scripts.
    STAFF = ("/dashboard/", "/admin/")

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        inline = " 'unsafe-inline'" if request.path.startswith(self.STAFF) else ""
        response.headers.setdefault("Content-Security-Policy", self.policy(inline))
        return response

    def policy(self, inline: str) -> str:
        # Where forms go: the host that the payment endpoint is on, in a real shop CyberSource's.
        pay = urlsplit(settings.CYBERSOURCE_ENDPOINT_PAY)
        profiling = f"{settings.CYBERSOURCE_FINGERPRINT_PROTOCOL}://{settings.CYBERSOURCE_FINGERPRINT_HOST}"
        return "; ".join(
            [
                "default-src 'self'",
                f"script-src 'self' {profiling}{inline}",
                # Oscar's templates hide things with style attributes. Those cannot run anything.
                "style-src 'self' 'unsafe-inline'",
                f"img-src 'self' data: {profiling}",
                f"connect-src 'self' {profiling}",
                f"frame-src 'self' {profiling}",
                f"form-action 'self' {pay.scheme}://{pay.netloc}",
                "object-src 'none'",
                "base-uri 'none'",
                "frame-ancestors 'self'",
            ]
        )
