"""The rules of storages and of reading, writing and removing content. No I/O."""
