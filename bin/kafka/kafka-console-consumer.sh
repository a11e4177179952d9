#!/bin/sh
# Kafka's console-consumer tool, with the flags that people use, answered by Ottla.
here=$(dirname "$(readlink -f "$0")")
exec node "$here/../../dist/ottla.js" kafka console-consumer "$@"
