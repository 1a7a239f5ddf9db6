FROM python:3.11-slim-bookworm
RUN useradd --system --uid 101 --no-log-init envoy
COPY envoy /usr/local/bin/envoy
COPY entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh", "envoy", "envoy"]
