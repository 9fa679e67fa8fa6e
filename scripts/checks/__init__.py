"""The checks of scripts/check, by subject."""
