#!/bin/sh
# Submits a job of Snakemake's to SGE and prints its id:
#   submit.sh RULE CORES MEMORY_MB MINUTES PARALLEL_ENVIRONMENT [OPTION…] SCRIPT
# h_vmem is the memory of each slot.
set -eu
rule=$1 cores=$2 memory=$(($3 / $2)) minutes=$4 environment=$5
shift 5
mkdir -p .snakemake/sge_logs
exec qsub -terse -cwd -V -j y -o .snakemake/sge_logs -N "$rule" -S /bin/bash \
  -pe "$environment" "$cores" -l "h_vmem=${memory}M,h_rt=$((minutes * 60))" "$@"
