#!/bin/sh
# Submits a job of Snakemake's to AWS Batch and prints its id:
#   submit.sh RULE CORES MEMORY_MB MINUTES GPUS QUEUE DEFINITION SCRIPT
set -eu
rule=$1 cores=$2 memory=$3 minutes=$4 gpus=$5 queue=$6 definition=$7 script=$8
needs="{type=VCPU,value=$cores},{type=MEMORY,value=$memory}"
if [ "$gpus" -gt 0 ]; then
  needs="$needs,{type=GPU,value=$gpus}"
fi
exec aws batch submit-job --job-name "$rule" --job-queue "$queue" --job-definition "$definition" \
  --timeout "attemptDurationSeconds=$((minutes * 60))" \
  --container-overrides "command=bash,$script,resourceRequirements=[$needs]" \
  --query jobId --output text
