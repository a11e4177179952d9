#!/bin/sh
# Kafka's consumer-groups tool, with the flags that people use, answered by Ottla.
here=$(dirname "$(readlink -f "$0")")
exec node "$here/../../dist/ottla.js" kafka consumer-groups "$@"
