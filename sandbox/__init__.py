"""The smallest Oscar shop that can pay by CyberSource, readable as the tutorial."""
