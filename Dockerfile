# Web, worker and runner are the same image with other commands (see compose.yaml).
FROM python:3.13-slim AS build
WORKDIR /app
COPY requirements/base.txt requirements/build.txt requirements/
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/base.txt
# What builds the package stays out of what runs it.
RUN python -m venv /builder && /builder/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml ./
COPY requirements/base.in requirements/
COPY gateway_site gateway_site
COPY projects projects
COPY audit audit
COPY guardrails guardrails
COPY servers servers
COPY proxy proxy
COPY templates templates
RUN /builder/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /wheels . \
    && /venv/bin/pip install --no-cache-dir --no-index --no-deps /wheels/*.whl

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home gateway && install -d -o gateway -m 0700 /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 GATEWAY_HOME=/data
USER gateway
EXPOSE 8000
HEALTHCHECK CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/livez', timeout=3)"
ENTRYPOINT ["mcp-gateway"]
CMD ["gateway", "--host", "0.0.0.0", "--workers", "2"]
