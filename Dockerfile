# The operator's image. Builds with docker, podman and buildah; docs/image.md says how, and how in a closed network.
# One base for both stages: the environment that the first makes runs on the second's Python. Any Debian with Python 3.11
# or later, its venv module and ca-certificates serves. Name it by digest where a build must give the same again.
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
# Where another index or authority is to be used; pip reads them from the environment.
ARG PIP_INDEX_URL
ARG PIP_CERT
WORKDIR /build
RUN python3 -m venv tools && python3 -m venv --without-pip /opt/ocdp

COPY requirements/build.lock requirements/runtime.lock requirements/
RUN tools/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements/build.lock \
 && tools/bin/pip --python /opt/ocdp/bin/python install --no-cache-dir --require-hashes --only-binary :all: \
      --requirement requirements/runtime.lock

COPY pyproject.toml README.md ./
COPY src src
RUN tools/bin/hatchling build --target wheel --directory dist \
 && tools/bin/pip --python /opt/ocdp/bin/python install --no-cache-dir --no-deps --no-index dist/*.whl

# kustomize: the official release, or a binary of the build context (KUSTOMIZE, a path in it). Either way its checksum is
# known first: KUSTOMIZE_SHA256 is that of the archive, or of the binary. Empty: those of the official release.
ARG KUSTOMIZE_VERSION=v5.8.1
ARG KUSTOMIZE_URL
ARG KUSTOMIZE_SHA256
ARG KUSTOMIZE
COPY hack/get-kustomize ${KUSTOMIZE:-pyproject.toml} given/
RUN sh given/get-kustomize "given/${KUSTOMIZE##*/}" /opt/ocdp/bin/kustomize


FROM ${BASE_IMAGE}
# git within its minor version: Debian's fixes come in, nothing else does.
ARG GIT_VERSION=1:2.39.*
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "git=${GIT_VERSION}" ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
      /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
 && install -d -o 65532 -g 65532 -m 0700 /var/lib/ocdp
COPY --from=build /opt/ocdp /opt/ocdp

# The root file system may be read-only: what is written goes to /var/lib/ocdp (OCDP_WORK_DIR) and /tmp.
ENV PATH=/opt/ocdp/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    OCDP_WORK_DIR=/var/lib/ocdp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080
ENTRYPOINT ["ocdp"]
CMD ["run"]

ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ocdp-operator" \
      org.opencontainers.image.description="Turns a small WorkloadClaim into a running workload" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
