# syntax=docker/dockerfile:1
# Two stages: Debian with Rust builds, distroless runs. The image has no shell and no package
# manager; it runs as a user without rights.

FROM rust:1.95-slim-bookworm AS build
# aws-lc-rs compiles C with cmake; nothing else needs a system package.
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake gcc g++ libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The dependencies alone, over empty sources: this layer is built again only when the manifest or
# the lock file changes. (Targets that the manifest names must exist for it to be read.)
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY tests/main.rs tests/main.rs
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --locked --release --bin portcullis \
    && rm -r src
COPY src src
# cargo trusts modification times, and those of the empty sources are newer than the copied ones.
RUN touch src/lib.rs src/main.rs \
    && cargo build --locked --release --bin portcullis \
    && install -D target/release/portcullis /out/portcullis

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/portcullis /usr/local/bin/portcullis
# Settings and policy are mounted here; relative paths in a command start here, too.
WORKDIR /etc/portcullis
# All interfaces, for the container's network is the boundary. The admin listener stays on loopback,
# where the health check reaches it.
ENV PORTCULLIS_LISTEN=0.0.0.0:8080 \
    PORTCULLIS_ADMIN=127.0.0.1:8081
EXPOSE 8080
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/portcullis", "health"]
ENTRYPOINT ["/usr/local/bin/portcullis"]
CMD ["run"]
