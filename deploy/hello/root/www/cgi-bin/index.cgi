#!/bin/sh
# The page of drover/hello. The web server runs it for `/`, as there is no index.html.
printf 'Content-Type: text/plain; charset=utf-8\r\n\r\n'
echo "Hello from $(hostname), a container that Drover keeps."
echo
echo "$DROVER_HELLO_ENVIRONMENT"
