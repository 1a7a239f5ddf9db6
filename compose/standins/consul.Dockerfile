FROM python:3.11-slim-bookworm
RUN useradd --system --uid 100 --no-log-init consul && install -d -o consul /consul/data
COPY consul /bin/consul
COPY entrypoint.sh /usr/local/bin/entrypoint.sh
# Under the name, and called in the way, of the upstream image's own.
RUN printf '#!/bin/sh\nexec entrypoint.sh consul consul "$@"\n' >/usr/local/bin/docker-entrypoint.sh \
 && chmod +x /usr/local/bin/docker-entrypoint.sh
VOLUME /consul/data
ENTRYPOINT ["docker-entrypoint.sh"]
