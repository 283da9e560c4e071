"""Card payments for django-oscar through CyberSource Secure Acceptance Silent Order POST."""
