#!/bin/sh
# Becomes the runtime, and has Linux end it when the server that started it dies, in whatever way. An `exec`, so that
# no process stands between the two.
exec setpriv --pdeathsig KILL -- "$JOBBERS_RUNTIME" "$@"
