# Two ways to the same image: one static binary and nothing else, under a numeric user.
#
#   docker build --target release .                    from source (the default)
#   docker build --target prebuilt \
#     --build-arg BINARY=dist/steadfast .              from `make static`, without any base image
#
# The stages without a base image come first: some builders begin with the first, whatever the target.

FROM scratch AS bare
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="steadfast" \
      org.opencontainers.image.description="One steady endpoint for Sentinel-managed Valkey and Redis" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV STEADFAST_LISTEN="[::]:6379" \
    STEADFAST_ADMIN_LISTEN="[::]:9379"
USER 65532:65532
EXPOSE 6379 9379
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["/steadfast", "healthcheck"]
ENTRYPOINT ["/steadfast"]

FROM bare AS prebuilt
ARG BINARY=dist/steadfast
COPY --chmod=0755 ${BINARY} /steadfast

FROM rust:1.95-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
COPY . .
# --target keeps the flags away from build scripts and procedural macros. Line tables are three quarters
# of the binary; the names of functions stay, for what a panic has to say.
RUN host="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS='-C target-feature=+crt-static -C strip=debuginfo' \
       cargo build --release --locked --bin steadfast --target "$host" \
    && cp "target/$host/release/steadfast" /steadfast

FROM bare AS release
COPY --from=build /steadfast /steadfast
