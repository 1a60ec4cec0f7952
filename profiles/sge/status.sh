#!/bin/sh
# Prints what Snakemake asks: whether a job of SGE is running, has ended well, or has failed.
if qstat -j "$1" >/dev/null 2>&1; then
  echo running
elif qacct -j "$1" 2>/dev/null | grep -Eq '^exit_status +0 *$'; then
  echo success
elif qacct -j "$1" >/dev/null 2>&1; then
  echo failed
else
  echo running # it has left the queue and is not accounted yet
fi
