# The esnap image: one static binary, CA certificates, nothing else.
#
#   docker build -t esnap:latest .
#   docker build -t esnap:1.0.0 --build-arg VERSION=1.0.0 --build-arg COMMIT=1a2b3c4 .
#   docker build -t esnap:latest-shell --target shell .
#
# It needs no network at run time but the cluster's, writes no file, and works
# with a read-only root, without capabilities, as any user. The target shell is
# the same with busybox, for CronJobs that say `sh -c`. For a host that can pull
# nothing: examples/kubesphere/Dockerfile.prebuilt.

# The images this is built on, where the usual names cannot be pulled.
ARG GOLANG=golang:1.26
ARG BUSYBOX=busybox:stable

FROM ${GOLANG} AS build

# BuildKit fills these in from --platform. Without them, the machine's own.
ARG TARGETOS
ARG TARGETARCH
# What `esnap version` says.
ARG VERSION=dev
ARG COMMIT
# A Go module mirror, where the default cannot be reached.
ARG GOPROXY

WORKDIR /src
# The modules first: they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download
COPY . .

# No C library, no paths of the build machine in the binary.
RUN mkdir -p /image/usr/local/bin /image/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH:-$(go env GOARCH)} \
    go build -trimpath -tags nethttpomithttp2 -ldflags "-s -w -funcalign=16 -X github.com/esnap/esnap/cmd.version=${VERSION} -X github.com/esnap/esnap/cmd.commit=${COMMIT}" \
    -o /image/usr/local/bin/esnap ./cmd/esnap

# The names Curator is called by: `curator`, and `curator/curator` as in
# KubeSphere's own CronJob.
RUN scripts/image-links.sh /image

# Before the last one, so that a build without --target is the image without a
# shell. BuildKit passes over this stage then; the older builder makes it too.
FROM ${BUSYBOX} AS shell

ARG VERSION=dev

LABEL org.opencontainers.image.title="esnap" \
      org.opencontainers.image.description="Looks after snapshots of Elasticsearch and OpenSearch; with a shell" \
      org.opencontainers.image.source="https://github.com/esnap/esnap" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

COPY --from=build /image/ /

USER 16:16
ENTRYPOINT ["/usr/local/bin/esnap"]

FROM scratch

ARG VERSION=dev

LABEL org.opencontainers.image.title="esnap" \
      org.opencontainers.image.description="Looks after snapshots of Elasticsearch and OpenSearch" \
      org.opencontainers.image.source="https://github.com/esnap/esnap" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

COPY --from=build /image/ /

# Both numbers: without the second the group would be root's. 16 is the user of
# KubeSphere's stock job.
USER 16:16
ENTRYPOINT ["/usr/local/bin/esnap"]
