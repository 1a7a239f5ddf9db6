FROM python:3.11-slim-bookworm
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends libcurl4 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 999 mongodb && install -d -o mongodb /data/db
COPY mongod /usr/bin/mongod
COPY entrypoint.sh /usr/local/bin/entrypoint.sh
# Under the name, and called in the way, of the upstream image's own.
RUN printf '#!/bin/sh\nexec entrypoint.sh mongod mongodb "$@"\n' >/usr/local/bin/docker-entrypoint.sh \
 && chmod +x /usr/local/bin/docker-entrypoint.sh
VOLUME /data/db
ENTRYPOINT ["docker-entrypoint.sh"]
