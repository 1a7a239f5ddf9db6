"""The data port: content over HTTP, checked here, sent by the kernel.

`server` listens, `connection` speaks HTTP/1.1, `routes` finds the front (`rest`, `cdmi`, `tickets`), which
says what is asked for; `downloads` and `uploading` do it, with `transfer` moving large bodies in threads.
"""
