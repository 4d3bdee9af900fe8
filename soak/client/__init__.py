"""The campaign's side of the wire: requests, well formed and not, and how they are sent."""
