# The operator as one static file and nothing else: no shell, no package manager, not root.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev gcc make ca-certificates-bundle
WORKDIR /src
COPY . .
# Dependencies and results are kept between builds on one machine.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package oauthclient-operator --bin oauthclient-operator \
    && cp target/release/oauthclient-operator /oauthclient-operator

FROM scratch
# The roots that token endpoints are trusted by; a resource can add its own with spec.provider.caBundle.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /oauthclient-operator /oauthclient-operator
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["/oauthclient-operator"]
CMD ["run"]
