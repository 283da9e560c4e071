"""The simulator against the known vectors; no Django, no database.

Alone: ``pytest tests/simulator -p no:django -c /dev/null --rootdir . --confcutdir tests/simulator``.
"""
