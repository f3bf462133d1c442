# Web, worker and runner are the same image with other commands (see compose.yaml).
FROM python:3.13-slim AS build
WORKDIR /app
COPY requirements/base.txt requirements/base.txt
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/base.txt

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home gateway && install -d -o gateway -m 0700 /data
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py ./
COPY gateway_site gateway_site
COPY projects projects
COPY audit audit
COPY guardrails guardrails
COPY servers servers
COPY proxy proxy
COPY templates templates
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 GATEWAY_HOME=/data
USER gateway
EXPOSE 8000
HEALTHCHECK CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/livez', timeout=3)"
CMD ["python", "manage.py", "gateway", "--host", "0.0.0.0", "--workers", "2"]
