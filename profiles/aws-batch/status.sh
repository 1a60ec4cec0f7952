#!/bin/sh
# Prints for Snakemake whether a job of AWS Batch is running, has succeeded, or has failed.
case $(aws batch describe-jobs --jobs "$1" --query 'jobs[0].status' --output text) in
  SUCCEEDED) echo success ;;
  FAILED) echo failed ;;
  *) echo running ;;
esac
