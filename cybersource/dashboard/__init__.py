"""Our pages in Oscar's dashboard: the money desk, its lists, the log, and what needs attention."""
