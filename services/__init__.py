"""The services of Isthmus; each owns its data and meets the others on the wire only."""
