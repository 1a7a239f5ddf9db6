"""Where bytes lie and how they get there.

Owns the storages of a provider and their health, which storage supports which space, and the bytes
themselves: the data port reads and writes them for users, workers remove what nothing refers to. It does
not own names, permissions, quotas or the record of what lies where: `metadata` does, and is asked before
any byte moves.
"""
