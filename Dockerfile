# Hyprstream from source, with the same packages as the build root of ./dev.
#
#   docker build -t hyprstream . && docker run -p 31337:31337 hyprstream serve --host 0.0.0.0 --insecure

FROM debian:forky AS build
COPY packaging/build-packages.txt /tmp/
RUN apt-get update && \
    sed -e 's/#.*//' -e '/^ *$/d' /tmp/build-packages.txt | xargs apt-get install -y --no-install-recommends && \
    rm -rf /var/lib/apt/lists/*
WORKDIR /hyprstream
COPY . .
RUN HYPRSTREAM_CACHE=/cache ./dev build release

# The packages again rather than a hand-kept list of run-time libraries: one list can not drift from another.
FROM build
RUN install -m 755 build/release/hyprstream /usr/local/bin/ && cp -r /cache/adbc/*/drivers /usr/local/lib/hyprstream && \
    install -m 755 build/release/drivers/*.so /usr/local/lib/hyprstream/ && \
    rm -rf build /cache && useradd --create-home hyprstream
USER hyprstream
WORKDIR /home/hyprstream
EXPOSE 31337
ENTRYPOINT ["hyprstream"]
