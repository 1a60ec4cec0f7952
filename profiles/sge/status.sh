#!/bin/sh
# Prints for Snakemake whether a job of SGE is running, has succeeded, or has failed.
if qstat -j "$1" >/dev/null 2>&1; then
  echo running
elif qacct -j "$1" 2>/dev/null | grep -Eq '^exit_status +0 *$'; then
  echo success
elif qacct -j "$1" >/dev/null 2>&1; then
  echo failed
else
  echo running # it has left the queue but is not in the accounts yet
fi
