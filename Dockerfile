# The build stage runs the same script as .ci/run.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG OAKUM_VERSION=dev
RUN OAKUM_VERSION=$OAKUM_VERSION .ci/build

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/dist/oakum /usr/local/bin/oakum
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/oakum"]
