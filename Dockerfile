# Partita in an image, with libhdf5 as the second reader of HDF5 files.
#
#   docker build -t partita .
#   docker run --init -e PARTITA_TOKEN=choose-one -p 127.0.0.1:8080:8080 -v partita:/data partita
#
# In a container the server has to listen on all its addresses, and it does so only with a token, which clients then give:
# PARTITA_TOKEN on the command line, /?token=... once in the browser. Publish the port on 127.0.0.1, as above, unless others
# are to reach it, and then put TLS before it. The local cloud isolates functions as far as the container lets it; it says at
# its start what is enforced. `--cloud aws` deploys to AWS instead.

FROM node:22-bookworm-slim AS node

FROM golang:1.26-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libhdf5-dev pkg-config && rm -rf /var/lib/apt/lists/*
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN make web/dist/.built bin/function/bootstrap bin/function/libonnxruntime.so
RUN CGO_ENABLED=1 CGO_CFLAGS="-O2 $(pkg-config --cflags hdf5)" CGO_LDFLAGS="$(pkg-config --libs-only-L hdf5)" \
    go build -trimpath -tags libhdf5 -ldflags "-s -w -X partita/server/cli.buildVersion=$VERSION" -o bin/partita ./server

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libhdf5-103-1 libhdf5-hl-100 libstdc++6 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home partita && install -d -o partita -g partita -m 700 /data
COPY --from=build /src/bin /opt/partita
RUN ln -s /opt/partita/partita /usr/local/bin/partita
USER partita
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["partita"]
CMD ["serve", "--addr", "0.0.0.0:8080", "--data", "/data"]
