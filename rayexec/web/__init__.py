"""The browser door: a JSON API, a live channel, and pages of plain ES modules."""
