# kerascnn's server without Keras: Python, numpy, Pillow, onnxruntime, Starlette, uvicorn.
#
#     docker build -t kerascnn .
#     docker run --rm -p 8000:8000 -v "$PWD/exported:/models:ro" kerascnn
#
# All that lies in /models is served. Settings of `kerascnn serve` are variables
# (-e KERASCNN_SERVE_MAX_BATCH=8), options behind the image's name, or a file that names the models
# too (-e KERASCNN_SERVE_MODELS= -e KERASCNN_SERVE_CONFIG=/models/serve.toml). A file that is
# replaced in the folder is reloaded.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY kerascnn ./kerascnn
RUN python -m venv /opt/kerascnn \
    && /opt/kerascnn/bin/pip install --no-cache-dir ".[serve]"

FROM python:3.13-slim
COPY --from=build /opt/kerascnn /opt/kerascnn
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin kerascnn
USER 10001
ENV PATH=/opt/kerascnn/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    KERASCNN_SERVE_HOST=0.0.0.0 \
    KERASCNN_SERVE_MODELS=/models \
    ORT_DISABLE_TELEMETRY=1
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=2)"]
ENTRYPOINT ["kerascnn", "serve"]
