"""What the ORM leaves to us: locks that wait no longer than they may, pages of long tables, moments that are aware."""
