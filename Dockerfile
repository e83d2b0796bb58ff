# Two ways to the same image: one static binary and nothing else, under a numeric user.
#
#   docker build --target release .                    from source (the default)
#   docker build --target prebuilt \
#     --build-arg BINARY=dist/steadfast .              from `make static`, without any base image

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# --target keeps the static flag away from build scripts and procedural macros.
RUN host="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS='-C target-feature=+crt-static' \
       cargo build --release --locked --bin steadfast --target "$host" \
    && cp "target/$host/release/steadfast" /steadfast

FROM scratch AS bare
LABEL org.opencontainers.image.title="steadfast" \
      org.opencontainers.image.description="One steady endpoint for Sentinel-managed Valkey and Redis" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV STEADFAST_LISTEN="[::]:6379" \
    STEADFAST_ADMIN_LISTEN="[::]:9379"
USER 65532:65532
EXPOSE 6379 9379
ENTRYPOINT ["/steadfast"]

FROM bare AS prebuilt
ARG BINARY=dist/steadfast
COPY --chmod=0755 ${BINARY} /steadfast

FROM bare AS release
COPY --from=build /steadfast /steadfast
