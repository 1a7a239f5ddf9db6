"""The namespace: files, directories and links of every space, who may do what with them, where their bytes
lie at this provider, quotas and the log of changes. Keeps all of it in MongoDB.

Not here: bytes (storage_router), users, spaces and their members (zone), the words of REST and CDMI
(gateway).
"""
